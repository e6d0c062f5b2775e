//! Resampling by convolution (SIMD where the processor has it).

use super::{GrayImage, ImageError, RgbImage};
use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::{U8, U8x3};
use fast_image_resize::{FilterType, PixelTrait, ResizeAlg, ResizeOptions, Resizer};

/// A triangle filter over the source area of each pixel: bilinear where it enlarges, and free of
/// aliasing where it shrinks.
const FILTER: ResizeAlg = ResizeAlg::Convolution(FilterType::Bilinear);

/// The whole picture at `width`×`height` pixels, the ratio of sides is not kept.
pub fn resize(picture: &RgbImage, width: u32, height: u32) -> Result<RgbImage, ImageError> {
    let region = [0.0, 0.0, f64::from(picture.width()), f64::from(picture.height())];
    resize_region(picture, region, width, height)
}

/// The region `[left, top, width, height]` of the picture (clipped to it) at `width`×`height`.
pub fn resize_region(
    picture: &RgbImage,
    region: [f64; 4],
    width: u32,
    height: u32,
) -> Result<RgbImage, ImageError> {
    let size = (picture.width(), picture.height());
    let pixels = resample::<U8x3>(picture.as_raw(), size, region, (width, height))?;
    RgbImage::from_raw(width, height, pixels).ok_or(ImageError::EmptyRegion { width, height })
}

/// Like [`resize`], for luminance.
pub fn resize_grey(picture: &GrayImage, width: u32, height: u32) -> Result<GrayImage, ImageError> {
    let size = (picture.width(), picture.height());
    let region = [0.0, 0.0, f64::from(size.0), f64::from(size.1)];
    let pixels = resample::<U8>(picture.as_raw(), size, region, (width, height))?;
    GrayImage::from_raw(width, height, pixels).ok_or(ImageError::EmptyRegion { width, height })
}

/// Typed by pixel: the crate's untyped entry would be compiled here for all of its thirteen kinds.
fn resample<P: PixelTrait>(
    source: &[u8],
    source_size: (u32, u32),
    [left, top, width, height]: [f64; 4],
    target_size: (u32, u32),
) -> Result<Vec<u8>, ImageError> {
    let empty = || ImageError::EmptyRegion { width: width.max(0.0) as u32, height: height.max(0.0) as u32 };
    let (source_width, source_height) = (f64::from(source_size.0), f64::from(source_size.1));
    let (right, bottom) = ((left + width).min(source_width), (top + height).min(source_height));
    let (left, top) = (left.max(0.0), top.max(0.0));
    if right - left < 1.0 || bottom - top < 1.0 || target_size.0 == 0 || target_size.1 == 0 {
        return Err(empty());
    }
    let source =
        TypedImageRef::<P>::from_buffer(source_size.0, source_size.1, source).map_err(|_| empty())?;
    let mut pixels = vec![0; target_size.0 as usize * target_size.1 as usize * P::size()];
    let mut target =
        TypedImage::<P>::from_buffer(target_size.0, target_size.1, &mut pixels).map_err(|_| empty())?;
    let options =
        ResizeOptions::new().resize_alg(FILTER).crop(left, top, right - left, bottom - top).use_alpha(false);
    Resizer::new().resize_typed(&source, &mut target, &options).map_err(|_| empty())?;
    Ok(pixels)
}
