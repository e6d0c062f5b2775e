//! Pictures: decoding with bounds, EXIF orientation, resampling, warping, crops.

/// An image as it was sent, decoded at most once.
pub struct SourceImage;
