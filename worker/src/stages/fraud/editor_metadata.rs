//! What image editors leave in a file. Only words of our own list go into the finding: the values
//! themselves may be personal (names, paths, places).

use super::Finding;
use exif::{In, Reader, Tag, Value};
use txid_imaging::JpegStructure;

/// Names that editors write about themselves, lower case, and what we call them.
const EDITORS: [(&str, &str); 23] = [
    ("photoshop", "Adobe Photoshop"),
    ("lightroom", "Adobe Lightroom"),
    ("adobe illustrator", "Adobe Illustrator"),
    ("adobe express", "Adobe Express"),
    ("gimp", "GIMP"),
    ("affinity", "Affinity"),
    ("pixelmator", "Pixelmator"),
    ("paint.net", "Paint.NET"),
    ("paintshop", "PaintShop"),
    ("paint shop", "PaintShop"),
    ("coreldraw", "CorelDRAW"),
    ("corel photo", "Corel"),
    ("photopea", "Photopea"),
    ("canva", "Canva"),
    ("picsart", "Picsart"),
    ("snapseed", "Snapseed"),
    ("pixlr", "Pixlr"),
    ("fotor", "Fotor"),
    ("facetune", "Facetune"),
    ("faceapp", "FaceApp"),
    ("inkscape", "Inkscape"),
    ("krita", "Krita"),
    ("acdsee", "ACDSee"),
];

/// An editor names itself.
const NAMED: f32 = 0.9;
/// A block that only editors and press agencies' software write.
const RESOURCE_BLOCK: f32 = 0.6;

/// Reads EXIF `Software`, `ProcessingSoftware` and `HostComputer`-like tags, XMP, Photoshop's resource
/// block and PNG text chunks of the encoded file.
pub fn find(encoded: &[u8]) -> Finding {
    let traces = match JpegStructure::parse(encoded) {
        Ok(structure) => jpeg_traces(&structure),
        Err(_) => png_traces(encoded),
    };
    match traces {
        Traces { editor: Some(editor), .. } => Finding {
            score: NAMED,
            message: format!("the file says that it was saved by {editor}"),
            region: None,
        },
        Traces { resource_block: true, .. } => Finding {
            score: RESOURCE_BLOCK,
            message: "the file carries a resource block of Adobe Photoshop".to_owned(),
            region: None,
        },
        _ => Finding::nothing("no image editor has left its name in the file"),
    }
}

#[derive(Default)]
struct Traces {
    editor: Option<&'static str>,
    resource_block: bool,
}

fn jpeg_traces(structure: &JpegStructure<'_>) -> Traces {
    let from_exif = structure.exif().and_then(exif_editor);
    let from_xmp = || {
        let xmp = structure.payloads(0xE1).filter(|payload| payload.starts_with(b"http://ns.adobe.com/x"));
        xmp.into_iter().find_map(xmp_editor)
    };
    let resource_block = structure.payloads(0xED).any(|payload| payload.starts_with(b"Photoshop 3.0"));
    Traces { editor: from_exif.or_else(from_xmp), resource_block }
}

fn exif_editor(block: &[u8]) -> Option<&'static str> {
    let exif = Reader::new().read_raw(block.to_vec()).ok()?;
    // 0x000B is ProcessingSoftware, which the crate does not name.
    [Tag::Software, Tag(exif::Context::Tiff, 0x000B)].into_iter().find_map(|tag| {
        match &exif.get_field(tag, In::PRIMARY)?.value {
            Value::Ascii(texts) => texts.iter().find_map(|text| editor_in(text)),
            _ => None,
        }
    })
}

/// Only what names the tool: a title or a path could contain an editor's name by chance.
fn xmp_editor(packet: &[u8]) -> Option<&'static str> {
    let text = String::from_utf8_lossy(packet);
    ["CreatorTool", "softwareAgent", "tiff:Software"].into_iter().find_map(|key| {
        text.match_indices(key).find_map(|(at, _)| {
            let value: String = text.get(at + key.len()..)?.chars().take(64).collect();
            editor_in(value.as_bytes())
        })
    })
}

/// `tEXt`, `zTXt`, `iTXt` with the keyword `Software`, `eXIf`, and XMP in `iTXt`.
fn png_traces(encoded: &[u8]) -> Traces {
    let mut rest = encoded.get(8..).unwrap_or_default();
    let mut editor = None;
    while let Some((&[a, b, c, d, ref kind @ ..], after)) = rest.split_first_chunk::<8>() {
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        let Some(body) = after.get(..length) else { break };
        let found = match kind {
            b"tEXt" | b"iTXt" if body.starts_with(b"Software\0") => editor_in(body),
            b"iTXt" if body.starts_with(b"XML:com.adobe.xmp") => xmp_editor(body),
            b"eXIf" => exif_editor(body),
            _ => None,
        };
        editor = editor.or(found);
        rest = after.get(length + 4..).unwrap_or_default();
    }
    Traces { editor, resource_block: false }
}

fn editor_in(value: &[u8]) -> Option<&'static str> {
    let value = String::from_utf8_lossy(value).to_lowercase();
    EDITORS.iter().find_map(|(written, name)| value.contains(written).then_some(*name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::codecs::jpeg::JpegEncoder;
    use txid_imaging::RgbImage;

    fn jpeg_with(marker: u8, payload: &[u8]) -> Vec<u8> {
        let mut plain = Vec::new();
        JpegEncoder::new(&mut plain).encode_image(&RgbImage::new(16, 16)).unwrap();
        let length = u16::try_from(payload.len() + 2).unwrap().to_be_bytes();
        [&plain[..2], &[0xFF, marker], &length, payload, &plain[2..]].concat()
    }

    /// A TIFF block with one ASCII tag, little endian.
    fn exif_block(tag: u16, text: &str) -> Vec<u8> {
        let mut block = b"Exif\0\0II*\0\x08\0\0\0\x01\0".to_vec();
        block.extend(tag.to_le_bytes());
        block.extend([2, 0]);
        block.extend((text.len() as u32 + 1).to_le_bytes());
        block.extend(26u32.to_le_bytes());
        block.extend([0; 4]);
        block.extend(text.as_bytes());
        block.push(0);
        block
    }

    #[test]
    fn an_editor_that_names_itself_is_found_wherever_it_does() {
        let xmp = b"http://ns.adobe.com/xap/1.0/\0<rdf xmp:CreatorTool=\"GIMP 2.10\"/>";
        let files =
            [jpeg_with(0xE1, &exif_block(0x0131, "Adobe Photoshop 25.1 (Windows)")), jpeg_with(0xE1, xmp)];
        for file in files {
            assert_eq!(find(&file).score, NAMED);
        }
        assert_eq!(find(&jpeg_with(0xED, b"Photoshop 3.0\08BIM")).score, RESOURCE_BLOCK);
    }

    #[test]
    fn a_phones_software_and_a_title_are_no_editor() {
        let phone = jpeg_with(0xE1, &exif_block(0x0131, "17.5.1"));
        let title =
            jpeg_with(0xE1, b"http://ns.adobe.com/xap/1.0/\0<dc:title>my photoshop course</dc:title>");
        for file in [phone, title] {
            assert_eq!(find(&file).score, 0.0);
        }
    }

    #[test]
    fn values_of_the_file_never_reach_the_finding() {
        let file = jpeg_with(0xE1, &exif_block(0x0131, "GIMP of Salma Benali"));
        assert!(!find(&file).message.contains("Salma"));
    }
}
