//! SVG drawings onto pixels, with our fonts.

use crate::Error;
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{self, fontdb};
use std::sync::Arc;

/// Draws `body` (elements, no root) such that the user-unit rectangle `[left, top, width, height]`
/// fills `width_px` × `height_px`. Transparent where nothing is drawn; premultiplied.
pub(crate) fn drawn(
    fonts: &Arc<fontdb::Database>,
    body: &str,
    [left, top, width, height]: [f64; 4],
    (width_px, height_px): (u32, u32),
) -> Result<Pixmap, Error> {
    let svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{width_px}" height="{height_px}" viewBox="{left} {top} {width} {height}" preserveAspectRatio="none" font-family="DejaVu Sans">{body}</svg>"#
    );
    let options = usvg::Options { fontdb: Arc::clone(fonts), ..usvg::Options::default() };
    let tree =
        usvg::Tree::from_str(&svg, &options).map_err(|source| Error::Svg { reason: source.to_string() })?;
    let mut pixmap = Pixmap::new(width_px.max(1), height_px.max(1))
        .ok_or_else(|| Error::Svg { reason: "empty size".to_owned() })?;
    resvg::render(&tree, Transform::identity(), &mut pixmap.as_mut());
    Ok(pixmap)
}

/// For text between tags.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

/// `#rrggbb`
pub(crate) fn colour(rgb: [u8; 3]) -> String {
    let [r, g, b] = rgb;
    format!("#{r:02x}{g:02x}{b:02x}")
}
