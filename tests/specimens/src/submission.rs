//! Puts the parts together: person → design → capture → attack → files and truth.

use crate::Error;
use crate::asset::{Assets, Photograph};
use crate::attack::{self, Attack};
use crate::capture::{Capture, Flat, Phone};
use crate::design::{Design, Side};
use crate::geometry::Box2;
use crate::person::{Names, Person};
use crate::photograph::Studio;
use crate::random::Random;
use crate::render::{RenderedSide, Renderer};
use crate::truth::{FaceTruth, FieldTruth, ImageTruth, MrzTruth, Print, Role, Truth, is_cut_off};

/// JPEG files as a customer would send them, and what they really show.
#[derive(Debug, Clone)]
pub struct Submission {
    pub front: Vec<u8>,
    pub back: Option<Vec<u8>>,
    pub selfie: Option<Vec<u8>>,
    pub truth: Truth,
}

impl Submission {
    pub fn images(&self) -> impl Iterator<Item = (Role, &[u8])> {
        [
            (Role::DocumentFront, Some(&self.front)),
            (Role::DocumentBack, self.back.as_ref()),
            (Role::Selfie, self.selfie.as_ref()),
        ]
        .into_iter()
        .filter_map(|(role, bytes)| Some((role, bytes?.as_slice())))
    }
}

/// Makes submissions. Shared by reference among threads.
#[derive(Debug)]
pub struct Generator {
    assets: Assets,
    renderer: Renderer,
    studio: Studio,
}

/// One side on its way to a file.
pub(crate) struct CapturedSide {
    pub role: Role,
    pub side: RenderedSide,
    pub jpeg: Vec<u8>,
    pub truth: ImageTruth,
    /// From pixels of the side to pixels of the file's picture.
    pub to_image: crate::geometry::Homography,
}

impl Generator {
    pub fn new(assets: Assets) -> Self {
        Self { renderer: Renderer::new(assets.clone()), studio: Studio::new(&assets), assets }
    }

    pub const fn renderer(&self) -> &Renderer {
        &self.renderer
    }

    /// Photographs anything flat.
    pub const fn studio(&self) -> &Studio {
        &self.studio
    }

    /// Somebody fictitious of this country (ISO 3166-1 alpha-3) whose portrait we have twice.
    pub fn person(&self, country: &str, seed: u64) -> Result<Person, Error> {
        Names::of(country)?.person(country, &self.assets, seed)
    }

    /// Somebody who holds this document: of the country that it names for holders, for as long as it
    /// is valid.
    pub fn holder(&self, design: &Design, seed: u64) -> Result<Person, Error> {
        let country = Random::stream(seed, "holder").pick(&design.holders).cloned();
        let mut person = self.person(country.as_ref().unwrap_or(&design.issuer), seed)?;
        person.expiry_date = person.issue_date.plus_years(design.validity_years);
        Ok(person)
    }

    /// One side as printed, without camera, light or wear.
    pub fn flat(
        &self,
        design: &Design,
        side: &Side,
        person: &Person,
        seed: u64,
    ) -> Result<RenderedSide, Error> {
        self.renderer.render(design, side, person, self.photographs(&person.face, seed)?.0)
    }

    /// Document and selfie of `person`. What is drawn at random depends on `seed` and on what it
    /// is for, so that two attacks under one seed differ in the attack only.
    pub fn submission(
        &self,
        person: &Person,
        design: &Design,
        capture: Capture,
        attack: Attack,
        seed: u64,
    ) -> Result<Submission, Error> {
        let (document_photograph, own_selfie) = self.photographs(&person.face, seed)?;
        let selfie_photograph = match attack {
            Attack::OtherPersonsSelfie => self.somebody_else(&person.face, seed)?,
            _ => own_selfie,
        };
        let mut sides = Vec::new();
        for side in &design.sides {
            sides.push(self.captured(design, side, person, document_photograph, capture, attack, seed)?);
        }
        let mut truth = Truth {
            seed,
            design: design.name.clone(),
            country: design.country.clone(),
            document_type: design.document_type.clone(),
            capture: capture.name().to_owned(),
            attack: attack.name().to_owned(),
            images: sides.iter().map(|side| side.truth.clone()).collect(),
            fields: fields(design, person, &sides)?,
            mrz: mrz(design, person, &sides)?,
            faces: sides.iter().flat_map(|side| faces(side, document_photograph)).collect(),
            forgeries: attack::forgeries(attack, &sides),
        };
        attack::edit(attack, self, design, person, &mut sides, &mut truth, seed)?;
        let (selfie, selfie_truth, face_truth) = selfie(selfie_photograph);
        truth.images.push(selfie_truth);
        truth.faces.push(face_truth);
        let mut file = |role: Role| {
            sides.iter_mut().find(|side| side.role == role).map(|side| std::mem::take(&mut side.jpeg))
        };
        Ok(Submission {
            front: file(Role::DocumentFront).ok_or_else(|| Error::Empty { what: "front".to_owned() })?,
            back: file(Role::DocumentBack),
            selfie: Some(selfie),
            truth,
        })
    }

    #[expect(clippy::too_many_arguments, reason = "one internal call, each argument a different thing")]
    fn captured(
        &self,
        design: &Design,
        side: &Side,
        person: &Person,
        photograph: &Photograph,
        capture: Capture,
        attack: Attack,
        seed: u64,
    ) -> Result<CapturedSide, Error> {
        let mut side = self.renderer.render(design, side, person, photograph)?;
        let stream = |purpose: &str| Random::stream(seed, &format!("{purpose}/{}", side.role.as_str()));
        let mut scene = capture.scene(&mut stream("scene"));
        let (mut surface, mut sensor, mut of_attack) =
            (stream("support"), stream("sensor"), stream("attack"));
        attack::print(attack, &mut side, &mut scene, &mut of_attack);
        let shot = match &scene.phone {
            None => scene.plain_shot(&side.pixels, side.corner_radius_px, &mut surface),
            Some(phone) => {
                let second = if phone.second_document {
                    self.of_somebody_else(design, side.role, seed)?
                } else {
                    None
                };
                let first = Flat::document(&side.pixels, side.corner_radius_px);
                let second = second.as_ref().map(|s| Flat::document(&s.pixels, s.corner_radius_px));
                self.studio.stage().shot(&scene, Some(first), second, &mut surface)?
            }
        };
        let shot = attack::light(attack, shot, &scene, &mut of_attack);
        let saved = scene.saved(&scene.exposed(shot, &mut sensor).turned(capture.turn))?;
        let document = saved.to_image.polygon(Box2::of_picture(&side.pixels));
        Ok(CapturedSide {
            role: side.role,
            jpeg: saved.jpeg,
            truth: ImageTruth {
                image: side.role,
                width_px: saved.width_px,
                height_px: saved.height_px,
                rotation_degrees: capture.turn.degrees(),
                document: Some(document),
                cut_off: is_cut_off(&document, saved.width_px, saved.height_px),
                troubles: scene.phone.as_ref().map_or_else(Vec::new, Phone::troubles),
                jpeg_quality: Some(saved.jpeg_quality),
            },
            to_image: saved.to_image,
            side,
        })
    }

    /// The same side of another person's document, for a picture that shows two.
    fn of_somebody_else(
        &self,
        design: &Design,
        role: Role,
        seed: u64,
    ) -> Result<Option<RenderedSide>, Error> {
        let Some(side) = design.side(role) else { return Ok(None) };
        // Far from the seeds that people number their submissions with.
        let seed = seed ^ 0x5eed_0000_0000;
        let person = self.person(&design.issuer, seed)?;
        let (photograph, _) = self.photographs(&person.face, seed)?;
        self.renderer.render(design, side, &person, photograph).map(Some)
    }

    /// Two different photographs of one face: for the document, and for the selfie.
    fn photographs(&self, face: &str, seed: u64) -> Result<(&Photograph, &Photograph), Error> {
        let mut random = Random::stream(seed, "photographs");
        let of_face: Vec<&Photograph> = self.assets.photographs.iter().filter(|p| p.face == face).collect();
        let portraits: Vec<&Photograph> = of_face.iter().copied().filter(|p| p.portrait).collect();
        let none = || Error::Empty { what: format!("photographs of {face}") };
        let portrait = *random.pick(&portraits).ok_or_else(none)?;
        let others: Vec<&Photograph> = of_face.into_iter().filter(|p| p.name != portrait.name).collect();
        Ok((portrait, random.pick(&others).copied().ok_or_else(none)?))
    }

    fn somebody_else(&self, face: &str, seed: u64) -> Result<&Photograph, Error> {
        let others: Vec<&Photograph> = self.assets.photographs.iter().filter(|p| p.face != face).collect();
        Random::stream(seed, "somebody else")
            .pick(&others)
            .copied()
            .ok_or_else(|| Error::Empty { what: "photographs of other people".to_owned() })
    }
}

/// The photograph's own file without its metadata: the one real picture of a submission stays as
/// the camera and its owner saved it, or liveness would be measured on our recompression.
fn selfie(photograph: &Photograph) -> (Vec<u8>, ImageTruth, FaceTruth) {
    let image = ImageTruth {
        image: Role::Selfie,
        width_px: photograph.pixels.width(),
        height_px: photograph.pixels.height(),
        rotation_degrees: 0,
        document: None,
        cut_off: false,
        troubles: Vec::new(),
        jpeg_quality: None,
    };
    let face = FaceTruth {
        image: Role::Selfie,
        face: photograph.face.clone(),
        photograph: photograph.name.clone(),
        head: photograph.head.corners().map(|corner| corner.map(|v| v as f32)),
    };
    (photograph.jpeg.clone(), image, face)
}

fn faces(side: &CapturedSide, photograph: &Photograph) -> Vec<FaceTruth> {
    side.side
        .heads
        .iter()
        .map(|head| FaceTruth {
            image: side.role,
            face: photograph.face.clone(),
            photograph: photograph.name.clone(),
            head: side.to_image.polygon(*head),
        })
        .collect()
}

fn fields(
    design: &Design,
    person: &Person,
    sides: &[CapturedSide],
) -> Result<std::collections::BTreeMap<String, FieldTruth>, Error> {
    let prints = |field: &str| {
        sides
            .iter()
            .filter_map(|side| {
                let id = format!("field.{field}");
                // `address` is also printed as `address.0`, `address.1`, not as `address_arabic`.
                let lines: Vec<_> = side
                    .side
                    .texts
                    .iter()
                    .filter(|t| {
                        t.id.strip_prefix(&id).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
                    })
                    .collect();
                let ink = lines.iter().map(|t| t.ink).reduce(Box2::union)?;
                let text = lines.iter().map(|t| t.text.as_str()).collect::<Vec<_>>().join(" ");
                Some(Print { image: side.role, text, polygon: side.to_image.polygon(ink) })
            })
            .collect()
    };
    Ok(design
        .field_values(person)?
        .into_iter()
        .map(|(field, value)| {
            let prints = prints(&field);
            (field, FieldTruth { value, prints })
        })
        .collect())
}

fn mrz(design: &Design, person: &Person, sides: &[CapturedSide]) -> Result<Option<MrzTruth>, Error> {
    let Some(zone) = &design.mrz else { return Ok(None) };
    let lines = design.mrz_lines(person)?;
    Ok(sides.iter().find_map(|side| {
        let inks: Vec<Box2> =
            side.side.texts.iter().filter(|t| t.id.starts_with("mrz.")).map(|t| t.ink).collect();
        Some(MrzTruth {
            format: zone.format,
            lines: lines.clone(),
            image: side.role,
            polygon: side.to_image.polygon(inks.iter().copied().reduce(Box2::union)?),
            line_polygons: inks.iter().map(|ink| side.to_image.polygon(*ink)).collect(),
        })
    }))
}
