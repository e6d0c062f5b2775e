//! The generated sets: which documents, under which conditions. The generator's data are met here and
//! in `nothing.rs`, nowhere else.

use super::case::{Case, Expected, ExpectedZone, Groups, Picture, Truth};
use txid_shared::partial::Polygon;
use txid_shared::words::{DocumentType, ImageRole};
use txid_specimens::capture::Flat;
use txid_specimens::geometry::Homography;
use txid_specimens::{Attack, Capture, Design, Generator, Role, Submission, Turn};

/// How pictures are taken, and what figures call it.
#[derive(Debug, Clone)]
pub struct Condition {
    pub name: String,
    pub capture: Capture,
}

/// Every condition that the generator knows; the plain photograph also in the three other turns.
pub fn conditions() -> Vec<Condition> {
    let turned = |turn: Turn| Condition {
        name: format!("photo_turned_{}", turn.degrees()),
        capture: Capture::PHOTO.turned(turn),
    };
    Capture::all()
        .map(|capture| Condition { name: capture.name().to_owned(), capture })
        .chain([Turn::Right, Turn::UpsideDown, Turn::Left].map(turned))
        .collect()
}

/// A genuine document of somebody who does not exist. The same `seed` under two conditions is the
/// same person and print.
pub fn case(
    generator: &Generator,
    design: &Design,
    condition: &Condition,
    seed: u64,
) -> anyhow::Result<Case> {
    let person = generator.holder(design, seed)?;
    let made = generator.submission(&person, design, condition.capture, Attack::None, seed)?;
    let groups = Groups::from([
        ("country", design.country.clone()),
        ("document_type", design.document_type.clone()),
        ("condition", condition.name.clone()),
        ("design", design.name.clone()),
        ("design_condition", format!("{} {}", design.name, condition.name)),
        ("country_group", country_group(&design.country).to_owned()),
    ]);
    Ok(Case {
        name: format!("{}, {}, seed {seed}", design.name, condition.name),
        set: "generated".to_owned(),
        groups,
        country: Some(design.country.clone()),
        document_type: design.document_type.parse::<DocumentType>().ok(),
        truth: truth(&made),
        pictures: pictures(made),
    })
}

/// The groups whose rates the scoreboard is asked for: Morocco, the countries of the customer's own
/// page, the contract's others.
pub fn country_group(country: &str) -> &'static str {
    match country {
        "MA" => "morocco",
        "DZ" | "EG" | "SA" | "AE" | "NG" | "KE" | "ZA" | "FR" => "seed",
        _ => "rest",
    }
}

const fn role(role: Role) -> ImageRole {
    match role {
        Role::DocumentFront => ImageRole::DocumentFront,
        Role::DocumentBack => ImageRole::DocumentBack,
        Role::Selfie => ImageRole::Selfie,
    }
}

fn truth(made: &Submission) -> Truth {
    let fields = made.truth.fields.iter().map(|(name, field)| {
        let places: Vec<_> = field.prints.iter().map(|print| (role(print.image), print.polygon)).collect();
        let derived = name == "full_name" && places.is_empty();
        (name.clone(), Expected { value: field.value.clone(), places, derived })
    });
    Truth {
        fields: fields.collect(),
        zone: made.truth.mrz.as_ref().map(|zone| ExpectedZone {
            lines: zone.lines.clone(),
            place: Some((role(zone.image), zone.polygon)),
        }),
        complete: true,
        ..Truth::default()
    }
}

fn pictures(made: Submission) -> Vec<Picture> {
    let document = |wanted: Role| {
        made.truth.images.iter().find(|image| image.image == wanted).and_then(|image| image.document)
    };
    let (front, back) = (document(Role::DocumentFront), document(Role::DocumentBack));
    let mut pictures = vec![Picture { role: ImageRole::DocumentFront, bytes: made.front, document: front }];
    pictures.extend(made.back.map(|bytes| Picture { role: ImageRole::DocumentBack, bytes, document: back }));
    pictures
}

/// A real picture of a document, taken for the flat document itself and photographed by the capture
/// model; the truth moves along.
pub fn photographed(
    generator: &Generator,
    case: Case,
    condition: &Condition,
    seed: u64,
) -> anyhow::Result<Case> {
    let mut case = Case { set: format!("{}, photographed", case.set), ..case };
    case.name = format!("{}, {}, seed {seed}", case.name, condition.name);
    case.groups.insert("condition", condition.name.clone());
    for picture in &mut case.pictures {
        let pixels = image::load_from_memory(&picture.bytes)?.into_rgb8();
        let name = picture.role.as_str();
        let taken = generator.studio().photograph(
            Flat::document(&pixels, 0.0),
            None,
            condition.capture,
            seed,
            name,
        )?;
        picture.bytes = taken.jpeg;
        picture.document = taken.truth.document;
        let Some(to_image) = taken.truth.to_image.map(Homography::new) else { continue };
        let moved = |(role, place): &mut (ImageRole, Polygon)| {
            if *role == picture.role {
                *place = place.map(|corner| to_image.apply(corner.map(f64::from)).map(|v| v as f32));
            }
        };
        case.truth.fields.values_mut().flat_map(|field| &mut field.places).for_each(moved);
        case.truth.zone.iter_mut().filter_map(|zone| zone.place.as_mut()).for_each(moved);
    }
    Ok(case)
}
