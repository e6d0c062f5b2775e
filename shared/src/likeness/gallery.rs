//! The likenesses of one account in memory, searched from end to end: exact, nothing to build, and an erasure is a
//! removal. `tests/examples/measure_gallery.rs` measures it; ARCHITECTURE.md has the figures. An index for larger accounts
//! would take its place behind the same methods.

use super::{FaceCode, Front, Likeness, PerceptualHash};
use crate::ids::VerificationId;
use crate::words::ImageRole;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use utoipa::ToSchema;

/// A keyed hash of issuer and number of a document.
pub type DocumentKey = [u8; 16];

/// What is looked for.
#[derive(Debug, Clone, Default)]
pub struct Probe {
    pub document: Option<DocumentKey>,
    pub likeness: Likeness,
}

/// From where on things are alike.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Cosine of two faces of which nothing else is known, −1..1.
    pub same_face_cosine: f32,
    /// Bits of a perceptual hash that may differ.
    pub same_image_bits: u32,
    /// Lookalikes at most, the likest first.
    pub most: usize,
}

/// Another verification that is like the probe in something.
#[derive(Debug, Clone, PartialEq)]
pub struct Lookalike {
    pub verification_id: VerificationId,
    /// Whether it is the same document; `None` where one of the numbers is not known.
    pub same_document: Option<bool>,
    /// Cosine of the faces; `None` where one of them is not known.
    pub face_cosine: Option<f32>,
    pub images: Vec<SameImage>,
}

impl Lookalike {
    /// What they have in common, in words.
    pub fn alike_in(&self, limits: &Limits) -> Vec<&'static str> {
        let face = self.face_cosine.is_some_and(|cosine| cosine >= limits.same_face_cosine);
        let alike = [
            ("document", self.same_document == Some(true)),
            ("face", face),
            ("image", !self.images.is_empty()),
        ];
        alike.into_iter().filter_map(|(word, is)| is.then_some(word)).collect()
    }
}

/// A picture that two verifications share, perhaps scaled or compressed again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SameImage {
    pub image: ImageRole,
    /// Of 256.
    pub differing_bits: u32,
}

#[derive(Default)]
pub struct Gallery {
    entries: Vec<Entry>,
    faces: BTreeMap<String, Faces>,
    fronts: Vec<(u32, Front)>,
    selfies: Vec<(u32, PerceptualHash)>,
}

struct Entry {
    verification_id: VerificationId,
    document: Option<DocumentKey>,
    removed: bool,
}

/// Of one model, one after the other.
#[derive(Default)]
struct Faces {
    dimensions: usize,
    owners: Vec<u32>,
    values: Vec<i8>,
    /// 1 / length
    scales: Vec<f32>,
}

impl Gallery {
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub fn add(
        &mut self,
        verification_id: VerificationId,
        document: Option<DocumentKey>,
        likeness: &Likeness,
    ) {
        // Four billion entries would not fit into memory.
        let Ok(owner) = u32::try_from(self.entries.len()) else { return };
        self.entries.push(Entry { verification_id, document, removed: false });
        self.fronts.extend(likeness.front.map(|front| (owner, front)));
        self.selfies.extend(likeness.selfie.map(|selfie| (owner, selfie)));
        if let Some(face) = &likeness.face {
            self.faces.entry(face.model.clone()).or_default().add(owner, &face.values);
        }
    }

    /// It is not found any more, and nothing of it stays.
    pub fn remove(&mut self, id: VerificationId) {
        let Some(position) = self.entries.iter().position(|entry| entry.verification_id == id) else {
            return;
        };
        let Ok(owner) = u32::try_from(position) else { return };
        if let Some(entry) = self.entries.get_mut(position) {
            entry.removed = true;
            entry.document = None;
        }
        self.fronts.retain(|(of, _)| *of != owner);
        self.selfies.retain(|(of, _)| *of != owner);
        for faces in self.faces.values_mut() {
            faces.remove(owner);
        }
    }

    /// Everything that is like `probe`, the likest first; `probe` itself is not to be in here under another id.
    pub fn search(&self, probe: &Probe, limits: &Limits) -> Vec<Lookalike> {
        let mut found: HashMap<u32, Alike> = HashMap::new();
        if let Some(document) = &probe.document {
            for (owner, entry) in (0u32..).zip(&self.entries) {
                if entry.document.as_ref() == Some(document) {
                    found.entry(owner).or_default();
                }
            }
        }
        let most = limits.same_image_bits;
        let front = probe.likeness.front.as_ref();
        let fronts = front.into_iter().flat_map(|front| {
            self.fronts.iter().filter_map(move |(owner, other)| Some((*owner, front.within(other, most)?)))
        });
        let selfie = probe.likeness.selfie.as_ref();
        let selfies = selfie.into_iter().flat_map(|selfie| {
            self.selfies.iter().filter_map(move |(owner, other)| Some((*owner, selfie.within(other, most)?)))
        });
        let fronts = fronts.map(|(owner, bits)| (owner, ImageRole::DocumentFront, bits));
        for (owner, image, differing_bits) in
            fronts.chain(selfies.map(|(owner, bits)| (owner, ImageRole::Selfie, bits)))
        {
            found.entry(owner).or_default().images.push(SameImage { image, differing_bits });
        }
        if let Some((face, faces)) =
            probe.likeness.face.as_ref().and_then(|face| Some((face, self.faces.get(&face.model)?)))
        {
            let own_scale = scale(&face.values);
            for (owner, cosine) in faces.cosines(face, own_scale) {
                // What is alike in something else is told how its face compares, whatever comes of it.
                if cosine >= limits.same_face_cosine || found.contains_key(&owner) {
                    found.entry(owner).or_default().face_cosine = Some(cosine);
                }
            }
        }
        self.named(found, probe, limits.most)
    }

    fn named(&self, found: HashMap<u32, Alike>, probe: &Probe, most: usize) -> Vec<Lookalike> {
        let entry = |owner: u32| self.entries.get(owner as usize).filter(|entry| !entry.removed);
        let mut named: Vec<Lookalike> = found
            .into_iter()
            .filter_map(|(owner, alike)| {
                let entry = entry(owner)?;
                Some(Lookalike {
                    verification_id: entry.verification_id,
                    same_document: probe.document.zip(entry.document).map(|(own, other)| own == other),
                    face_cosine: alike.face_cosine,
                    images: alike.images,
                })
            })
            .collect();
        named.sort_by(|a, b| {
            let document = |it: &Lookalike| it.same_document == Some(true);
            let cosine = |it: &Lookalike| it.face_cosine.unwrap_or(-1.0);
            (document(b).cmp(&document(a)))
                .then_with(|| cosine(b).total_cmp(&cosine(a)))
                .then_with(|| b.images.len().cmp(&a.images.len()))
                .then_with(|| a.verification_id.cmp(&b.verification_id))
        });
        named.truncate(most);
        named
    }
}

#[derive(Default)]
struct Alike {
    face_cosine: Option<f32>,
    images: Vec<SameImage>,
}

impl Faces {
    fn add(&mut self, owner: u32, values: &[i8]) {
        if self.owners.is_empty() {
            self.dimensions = values.len();
        }
        // One model gives one length; anything else is damaged, and compares with nothing.
        if values.len() == self.dimensions && self.dimensions > 0 {
            self.owners.push(owner);
            self.values.extend_from_slice(values);
            self.scales.push(scale(values));
        }
    }

    fn remove(&mut self, owner: u32) {
        if let Some(at) = self.owners.iter().position(|of| *of == owner) {
            self.owners.remove(at);
            self.scales.remove(at);
            self.values.drain(at * self.dimensions..(at + 1) * self.dimensions);
        }
    }

    fn cosines(&self, face: &FaceCode, own_scale: f32) -> impl Iterator<Item = (u32, f32)> {
        let comparable = face.values.len() == self.dimensions;
        let rows = self.values.chunks_exact(self.dimensions.max(1));
        let all = self.owners.iter().zip(rows).zip(&self.scales).filter(move |_| comparable);
        all.map(move |((owner, values), scale)| {
            (*owner, (dot(&face.values, values) as f32 * own_scale * scale).clamp(-1.0, 1.0))
        })
    }
}

fn scale(values: &[i8]) -> f32 {
    1.0 / (dot(values, values) as f32).sqrt().max(1.0)
}

/// In i16 pairs, as processors multiply and add them.
fn dot(a: &[i8], b: &[i8]) -> i32 {
    a.iter().zip(b).map(|(a, b)| i32::from(i16::from(*a) * i16::from(*b))).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { same_face_cosine: 0.65, same_image_bits: 16, most: 20 };

    fn face(values: &[f32]) -> Option<FaceCode> {
        Some(FaceCode::new("m", values))
    }

    fn looking(document: u8, values: &[f32], image: u64) -> Probe {
        let selfie = Some(PerceptualHash([image, 0, 0, 0]));
        Probe {
            document: Some([document; 16]),
            likeness: Likeness { selfie, face: face(values), front: None },
        }
    }

    fn gallery(of: &[Probe]) -> (Gallery, Vec<VerificationId>) {
        let mut gallery = Gallery::default();
        let ids: Vec<_> = of.iter().map(|_| VerificationId::generate()).collect();
        for (id, probe) in ids.iter().zip(of) {
            gallery.add(*id, probe.document, &probe.likeness);
        }
        (gallery, ids)
    }

    #[test]
    fn what_is_alike_in_anything_is_found_and_says_in_what() {
        let (gallery, ids) = gallery(&[
            looking(1, &[1.0, 0.0, 0.0], 0),
            looking(2, &[0.9, 0.1, 0.1], u64::MAX),
            looking(3, &[0.0, 1.0, 0.0], 0b111),
            looking(4, &[0.0, 0.0, 1.0], u64::MAX),
        ]);
        let found = gallery.search(&looking(1, &[1.0, 0.05, 0.0], 0), &LIMITS);
        let of = |id| found.iter().find(|lookalike| lookalike.verification_id == id);
        assert_eq!(found.first().map(|first| first.verification_id), Some(ids[0]), "the likest comes first");
        let first = of(ids[0]).unwrap();
        assert_eq!((first.same_document, first.images.len()), (Some(true), 1));
        assert!(first.face_cosine.unwrap() > 0.99);
        let second = of(ids[1]).unwrap();
        assert_eq!((second.same_document, second.images.len()), (Some(false), 0));
        let third = of(ids[2]).unwrap();
        assert_eq!(third.images, [SameImage { image: ImageRole::Selfie, differing_bits: 3 }]);
        assert!(third.face_cosine.unwrap() < 0.1, "an unlike face is told as well");
        assert!(of(ids[3]).is_none());
    }

    #[test]
    fn an_unknown_number_is_neither_the_same_nor_another() {
        let unread = Probe { document: None, ..looking(1, &[1.0, 0.0], 0) };
        let (gallery, _) = gallery(&[looking(1, &[1.0, 0.0], 0)]);
        assert_eq!(gallery.search(&unread, &LIMITS)[0].same_document, None);
    }

    #[test]
    fn faces_of_another_model_compare_with_nothing() {
        let (gallery, _) = gallery(&[looking(1, &[1.0, 0.0], u64::MAX)]);
        let mut other = looking(2, &[1.0, 0.0], 0);
        other.likeness.face = Some(FaceCode::new("another", &[1.0, 0.0]));
        assert_eq!(gallery.search(&other, &LIMITS), []);
    }

    #[test]
    fn two_cards_of_one_design_are_told_apart_by_their_portraits() {
        let card = |portrait| Probe {
            document: None,
            likeness: Likeness {
                front: Some(Front { whole: PerceptualHash([0; 4]), portrait: PerceptualHash([portrait; 4]) }),
                ..Likeness::default()
            },
        };
        let (gallery, ids) = gallery(&[card(0), card(u64::MAX)]);
        let found: Vec<_> = gallery.search(&card(1), &LIMITS).iter().map(|l| l.verification_id).collect();
        assert_eq!(found, [ids[0]]);
    }

    #[test]
    fn what_was_removed_is_not_found_and_the_others_still_are() {
        let probe = looking(1, &[1.0, 0.0], 0);
        let (mut gallery, ids) = gallery(&[probe.clone(), probe.clone(), probe.clone()]);
        gallery.remove(ids[1]);
        let found: Vec<_> = gallery.search(&probe, &LIMITS).iter().map(|l| l.verification_id).collect();
        assert!(found.len() == 2 && found.contains(&ids[0]) && found.contains(&ids[2]), "{found:?}");
    }

    proptest::proptest! {
        #[test]
        fn a_byte_for_each_number_keeps_the_cosine(
            a in proptest::collection::vec(-1.0f32..1.0, 192), b in proptest::collection::vec(-1.0f32..1.0, 192),
        ) {
            let exact = {
                let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
                dot(&a, &b) / (dot(&a, &a) * dot(&b, &b)).sqrt()
            };
            let (a, b) = (FaceCode::new("m", &a), FaceCode::new("m", &b));
            let coded = dot(&a.values, &b.values) as f32 * scale(&a.values) * scale(&b.values);
            proptest::prop_assert!((exact - coded).abs() < 0.01);
        }

        #[test]
        fn a_likeness_is_read_as_it_was_written(
            words in proptest::array::uniform4(proptest::num::u64::ANY), values in proptest::collection::vec(-1.0f32..1.0, 1..8),
        ) {
            let front = Some(Front { whole: PerceptualHash(words), portrait: PerceptualHash(words) });
            let likeness = Likeness { front, selfie: None, face: face(&values) };
            let text = serde_json::to_string(&likeness).unwrap();
            proptest::prop_assert_eq!(serde_json::from_str::<Likeness>(&text).unwrap(), likeness);
        }
    }
}
