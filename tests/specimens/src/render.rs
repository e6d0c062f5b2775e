//! From a design and a person to the flat, perfect picture of one side, with where each text is.

use crate::Error;
use crate::asset::{Assets, Photograph};
use crate::design::{Design, PortraitPlace, Side};
use crate::geometry::Box2;
use crate::person::Person;
use crate::portrait;
use crate::truth::Role;
use image::{Rgb, RgbImage};
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

/// One printed text and the box of its ink, in pixels of the rendered side.
#[derive(Debug, Clone, PartialEq)]
pub struct PrintedText {
    /// `field.NAME`, `field.NAME.N` or `mrz.N`.
    pub id: String,
    pub text: String,
    pub ink: Box2,
    /// Family and size in pixels, for whoever wants to type something in its place.
    pub font_family: String,
    pub font_px: f64,
    pub bold: bool,
}

/// One side as printed, without camera, light or wear.
#[derive(Debug, Clone)]
pub struct RenderedSide {
    pub role: Role,
    pub pixels: RgbImage,
    pub corner_radius_px: f64,
    pub texts: Vec<PrintedText>,
    /// Heads, crown to chin: the portrait first.
    pub heads: Vec<Box2>,
}

/// Width of a rendered ID-1 card in pixels: more than any capture shows of it, so that the
/// capture never invents sharpness. Other sizes at the same pixels per millimetre.
const CARD_WIDTH_PX: f64 = 2000.0;
const ID1_WIDTH_MM: f64 = 85.6;

/// Draws sides; keeps the costly line patterns of each design. Safe to share among threads.
#[derive(Debug)]
pub struct Renderer {
    assets: Assets,
    grounds: Mutex<BTreeMap<(String, Role), Arc<RgbImage>>>,
}

impl Renderer {
    pub const fn new(assets: Assets) -> Self {
        Self { assets, grounds: Mutex::new(BTreeMap::new()) }
    }

    pub fn render(
        &self,
        design: &Design,
        side: &Side,
        person: &Person,
        photograph: &Photograph,
    ) -> Result<RenderedSide, Error> {
        let scale = scale(design);
        let mut pixels = (*self.ground(design, side, scale)?).clone();
        let heads = side
            .portraits
            .iter()
            .map(|place| portrait::paste(&mut pixels, photograph, &scaled(place, scale)))
            .collect();
        let tree = self.tree(&design.filled(side, person)?)?;
        let layer = draw(&tree, scale, pixels.dimensions())?;
        for (pixel, ink) in pixels.pixels_mut().zip(layer.pixels()) {
            let left = 255 - u32::from(ink.alpha());
            // `ink` is premultiplied.
            for (channel, above) in pixel.0.iter_mut().zip([ink.red(), ink.green(), ink.blue()]) {
                *channel = (u32::from(above) + (u32::from(*channel) * left + 127) / 255).min(255) as u8;
            }
        }
        let mut texts = Vec::new();
        collect_texts(tree.root(), scale, &located, &mut texts);
        Ok(RenderedSide {
            role: side.role,
            pixels,
            corner_radius_px: design.corner_radius_mm * CARD_WIDTH_PX / ID1_WIDTH_MM,
            texts,
            heads,
        })
    }

    /// Every text of a side, labels and titles included, as [`RenderedSide::texts`] has the fields.
    pub fn all_texts(
        &self,
        design: &Design,
        side: &Side,
        person: &Person,
    ) -> Result<Vec<PrintedText>, Error> {
        let tree = self.tree(&design.filled(side, person)?)?;
        let mut texts = Vec::new();
        collect_texts(tree.root(), scale(design), &|_| true, &mut texts);
        Ok(texts)
    }

    /// Ink coverage (0..255) of one line of text, drawn from its left end at the baseline.
    /// Returns the mask and the distance of the baseline from its top, in pixels.
    pub fn type_line(&self, text: &str, like: &PrintedText) -> Result<(image::GrayImage, Box2), Error> {
        let size = like.font_px;
        let (width, height) = (size * 0.9 * text.chars().count() as f64 + size, size * 2.0);
        let weight = if like.bold { "bold" } else { "normal" };
        let svg = format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"><text id="field.typed" x="{}" y="{}" font-family="{}" font-weight="{weight}" font-size="{size}">{text}</text></svg>"#,
            size * 0.5,
            size * 1.4,
            like.font_family,
        );
        let tree = self.tree(&svg)?;
        let layer = draw(&tree, 1.0, (width.ceil() as u32, height.ceil() as u32))?;
        let mask = image::GrayImage::from_fn(layer.width(), layer.height(), |x, y| {
            image::Luma([layer.pixel(x, y).map_or(0, |p| p.alpha())])
        });
        let mut texts = Vec::new();
        collect_texts(tree.root(), 1.0, &located, &mut texts);
        let ink =
            texts.first().map(|t| t.ink).ok_or_else(|| Error::Empty { what: "typed text".to_owned() })?;
        Ok((mask, ink))
    }

    fn tree(&self, svg: &str) -> Result<usvg::Tree, Error> {
        let options = usvg::Options { fontdb: Arc::clone(&self.assets.fonts), ..usvg::Options::default() };
        usvg::Tree::from_str(svg, &options).map_err(|source| Error::Svg { reason: source.to_string() })
    }

    fn ground(&self, design: &Design, side: &Side, scale: f64) -> Result<Arc<RgbImage>, Error> {
        let key = (design.name.clone(), side.role);
        let mut grounds = self.grounds.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(ground) = grounds.get(&key) {
            return Ok(Arc::clone(ground));
        }
        let (width, height) = (design.template_width, design.template_height());
        let mut svg = format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"><defs><linearGradient id="ground">"#
        );
        let last = side.ground.len().saturating_sub(1).max(1) as f64;
        for (number, colour) in side.ground.iter().enumerate() {
            let offset = number as f64 / last;
            let _ = write!(svg, r#"<stop offset="{offset}" stop-color="{colour}"/>"#);
        }
        svg.push_str(r#"</linearGradient></defs><rect width="100%" height="100%" fill="url(#ground)"/>"#);
        for pattern in &side.patterns {
            svg.push_str(&pattern.svg(width, height));
        }
        svg.push_str("</svg>");
        let size = ((width * scale).round() as u32, (height * scale).round() as u32);
        let pixmap = draw(&self.tree(&svg)?, scale, size)?;
        let ground = RgbImage::from_fn(size.0, size.1, |x, y| {
            pixmap.pixel(x, y).map_or(Rgb([255; 3]), |p| Rgb([p.red(), p.green(), p.blue()]))
        });
        let ground = Arc::new(ground);
        grounds.insert(key, Arc::clone(&ground));
        Ok(ground)
    }
}

fn scaled(place: &PortraitPlace, scale: f64) -> PortraitPlace {
    PortraitPlace {
        x: place.x * scale,
        y: place.y * scale,
        width: place.width * scale,
        height: place.height * scale,
        ..place.clone()
    }
}

fn draw(tree: &usvg::Tree, scale: f64, (width, height): (u32, u32)) -> Result<Pixmap, Error> {
    let mut pixmap =
        Pixmap::new(width, height).ok_or_else(|| Error::Svg { reason: "empty size".to_owned() })?;
    resvg::render(tree, Transform::from_scale(scale as f32, scale as f32), &mut pixmap.as_mut());
    Ok(pixmap)
}

/// Pixels of the render per unit of the template.
fn scale(design: &Design) -> f64 {
    CARD_WIDTH_PX / ID1_WIDTH_MM * design.size_mm[0] / design.template_width
}

/// Of these the truth says where they are.
fn located(id: &str) -> bool {
    id.starts_with("field.") || id.starts_with("mrz.")
}

fn collect_texts(
    group: &usvg::Group,
    scale: f64,
    wanted: &dyn Fn(&str) -> bool,
    into: &mut Vec<PrintedText>,
) {
    for node in group.children() {
        match node {
            usvg::Node::Group(group) => collect_texts(group, scale, wanted, into),
            usvg::Node::Text(text) if wanted(text.id()) => {
                // Of the outlines, so that the box holds the ink and not the line height.
                let ink = text.flattened().abs_bounding_box();
                let span = text.chunks().first().and_then(|chunk| chunk.spans().first());
                into.push(PrintedText {
                    id: text.id().to_owned(),
                    // A right-to-left mark only sets the line's direction; nobody reads it.
                    text: text
                        .chunks()
                        .iter()
                        .map(usvg::TextChunk::text)
                        .collect::<String>()
                        .replace('\u{200f}', ""),
                    ink: Box2 {
                        left: f64::from(ink.left()),
                        top: f64::from(ink.top()),
                        right: f64::from(ink.right()),
                        bottom: f64::from(ink.bottom()),
                    }
                    .scaled(scale),
                    font_family: span.and_then(|s| s.font().families().first()).map_or_else(
                        || "DejaVu Sans".to_owned(),
                        |family| match family {
                            usvg::FontFamily::Named(name) => name.clone(),
                            _ => "DejaVu Sans".to_owned(),
                        },
                    ),
                    font_px: span.map_or(0.0, |s| f64::from(s.font_size().get())) * scale,
                    bold: span.is_some_and(|s| s.font().weight() >= 600),
                });
            }
            _ => {}
        }
    }
}
