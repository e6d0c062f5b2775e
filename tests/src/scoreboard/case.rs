//! What is measured: pictures of one document (or of none) and what they really show.

use std::collections::BTreeMap;
use txid_shared::partial::Polygon;
use txid_shared::words::{DocumentType, ImageRole};

/// By what figures are told apart, and this case's place in it: `country`, `document_type`,
/// `condition`, `design` …
pub type Groups = BTreeMap<&'static str, String>;

/// One submission.
#[derive(Debug, Clone)]
pub struct Case {
    /// Tells it apart within its set, and how to make or find it again.
    pub name: String,
    /// What figures are never mixed: `generated`, or the folder's name.
    pub set: String,
    pub groups: Groups,
    pub pictures: Vec<Picture>,
    /// As the customer declares it; absent where nobody said.
    pub country: Option<String>,
    pub document_type: Option<DocumentType>,
    pub truth: Truth,
}

#[derive(Debug, Clone)]
pub struct Picture {
    pub role: ImageRole,
    /// The file.
    pub bytes: Vec<u8>,
    /// Corners of the document, where the truth tells them.
    pub document: Option<Polygon>,
}

#[derive(Debug, Clone, Default)]
pub struct Truth {
    /// By field name of the API.
    pub fields: BTreeMap<String, Expected>,
    pub zone: Option<ExpectedZone>,
    /// Whether it names every field and zone of the document. Only then is a field or a zone that it
    /// lacks one too many.
    pub complete: bool,
    /// The truth is about print: where zone and print differ, the reading of the print counts.
    pub of_print: bool,
    /// Nothing may be read: the picture shows no document.
    pub nothing: bool,
}

#[derive(Debug, Clone, Default)]
pub struct Expected {
    /// Normalised, as the API gives it.
    pub value: String,
    /// Where it stands.
    pub places: Vec<(ImageRole, Polygon)>,
    /// Put together from other fields (`full_name` where it is not printed): counted on its own,
    /// not in the overall rate.
    pub derived: bool,
}

#[derive(Debug, Clone, Default)]
pub struct ExpectedZone {
    pub lines: Vec<String>,
    pub place: Option<(ImageRole, Polygon)>,
}
