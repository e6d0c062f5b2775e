//! What programs leave in files, or take out of them.

use crate::random::Random;
use crate::submission::CapturedSide;
use crate::truth::{Role, Truth};
use crate::{Error, jpeg};

const EDITORS: [&str; 3] =
    ["Adobe Photoshop 25.1 (Windows)", "Adobe Photoshop CC 2019 (Macintosh)", "GIMP 2.10.36"];

/// EXIF `Software`, and for one vendor its resource block and XMP creator tool.
pub(super) fn marked(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    let editor = random.pick(&EDITORS).copied().unwrap_or(EDITORS[0]);
    let mut segments = vec![(0xe1, jpeg::exif(&[(0x0131, editor), (0x0132, "2026:03:14 21:07:45")]))];
    if editor.contains("Photoshop") {
        // An empty caption digest (resource 0x0425): name length 0, padded, 16 bytes.
        let resource = [b"Photoshop 3.0\08BIM\x04\x25\0\0\0\0\0\x10".as_slice(), &[0; 16]].concat();
        let xmp = format!(
            "http://ns.adobe.com/xap/1.0/\0<?xpacket begin=\"\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?><x:xmpmeta xmlns:x=\"adobe:ns:meta/\"><rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\"><rdf:Description rdf:about=\"\" xmlns:xmp=\"http://ns.adobe.com/xap/1.0/\" xmp:CreatorTool=\"{editor}\"/></rdf:RDF></x:xmpmeta><?xpacket end=\"w\"?>"
        );
        segments.push((0xe1, xmp.into_bytes()));
        segments.push((0xed, resource));
    }
    jpeg::with_segments(bytes, &segments)
}

/// Longest side 1,600 px, quality 60 to 72, no metadata: what messengers make of a picture.
pub(super) fn sent(sides: &mut [CapturedSide], truth: &mut Truth, random: &mut Random) -> Result<(), Error> {
    const LONGEST_PX: u32 = 1600;
    for side in sides {
        let pixels = jpeg::decode(&side.jpeg)?;
        let factor = f64::from(LONGEST_PX) / f64::from(pixels.width().max(pixels.height()));
        let size = |px: u32| (f64::from(px) * factor).round() as u32;
        let small = image::imageops::resize(
            &pixels,
            size(pixels.width()),
            size(pixels.height()),
            image::imageops::FilterType::Triangle,
        );
        let quality = random.integer(60, 72) as u8;
        side.jpeg = jpeg::encode(&small, quality)?;
        shrink(truth, side.role, factor as f32, small.dimensions(), quality);
    }
    Ok(())
}

fn shrink(truth: &mut Truth, role: Role, factor: f32, (width_px, height_px): (u32, u32), quality: u8) {
    let scale = |polygon: &mut crate::geometry::Polygon| {
        polygon.iter_mut().flatten().for_each(|v| *v *= factor);
    };
    for image in truth.images.iter_mut().filter(|i| i.image == role) {
        (image.width_px, image.height_px, image.jpeg_quality) = (width_px, height_px, Some(quality));
        image.document.iter_mut().for_each(scale);
    }
    for field in truth.fields.values_mut() {
        field.prints.iter_mut().filter(|p| p.image == role).for_each(|p| scale(&mut p.polygon));
    }
    for mrz in truth.mrz.iter_mut().filter(|m| m.image == role) {
        scale(&mut mrz.polygon);
        mrz.line_polygons.iter_mut().for_each(scale);
    }
    truth.faces.iter_mut().filter(|f| f.image == role).for_each(|f| scale(&mut f.head));
}
