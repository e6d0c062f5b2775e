//! Which documents of which countries are taken: one table that validation and the API both read.

use crate::words::{Check, DocumentType, ImageRole};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SupportStatus {
    /// Fields are read by a layout of its own, and measured.
    FullSupport,
    /// Generic reading: machine-readable zone and labelled fields.
    Beta,
    ComingSoon,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SupportedCountry {
    /// ISO 3166-1 alpha-2
    pub code: &'static str,
    /// As machine-readable zones name the issuer (ICAO 9303-3, 5).
    pub icao: &'static str,
    pub name: &'static str,
    pub documents: &'static [DocumentType],
}

use DocumentType::{DrivingLicense, NationalId, Passport, ResidencePermit, VoterId};

const ID_AND_PASSPORT: &[DocumentType] = &[NationalId, Passport];

const fn country(
    code: &'static str,
    icao: &'static str,
    name: &'static str,
    documents: &'static [DocumentType],
) -> SupportedCountry {
    SupportedCountry { code, icao, name, documents }
}

/// In the order of the contract.
pub const SUPPORTED: &[SupportedCountry] = &[
    country("MA", "MAR", "Morocco", &[NationalId, Passport, DrivingLicense, ResidencePermit]),
    country("DZ", "DZA", "Algeria", ID_AND_PASSPORT),
    country("TN", "TUN", "Tunisia", ID_AND_PASSPORT),
    country("EG", "EGY", "Egypt", ID_AND_PASSPORT),
    country("JO", "JOR", "Jordan", ID_AND_PASSPORT),
    country("LB", "LBN", "Lebanon", ID_AND_PASSPORT),
    country("KW", "KWT", "Kuwait", ID_AND_PASSPORT),
    country("QA", "QAT", "Qatar", ID_AND_PASSPORT),
    country("BH", "BHR", "Bahrain", ID_AND_PASSPORT),
    country("OM", "OMN", "Oman", ID_AND_PASSPORT),
    country("KE", "KEN", "Kenya", ID_AND_PASSPORT),
    country("ZA", "ZAF", "South Africa", ID_AND_PASSPORT),
    country("GH", "GHA", "Ghana", ID_AND_PASSPORT),
    country("CI", "CIV", "Côte d'Ivoire", ID_AND_PASSPORT),
    country("SN", "SEN", "Senegal", ID_AND_PASSPORT),
    country("CM", "CMR", "Cameroon", ID_AND_PASSPORT),
    country("TZ", "TZA", "Tanzania", ID_AND_PASSPORT),
    country("UG", "UGA", "Uganda", ID_AND_PASSPORT),
    country("RW", "RWA", "Rwanda", ID_AND_PASSPORT),
    country("SA", "SAU", "Saudi Arabia", &[NationalId, ResidencePermit, Passport]),
    country("AE", "ARE", "United Arab Emirates", ID_AND_PASSPORT),
    country("NG", "NGA", "Nigeria", &[NationalId, Passport, DrivingLicense, VoterId]),
    country("FR", "FRA", "France", &[NationalId, Passport, ResidencePermit]),
    country("GB", "GBR", "United Kingdom", &[Passport, ResidencePermit]),
    country("ES", "ESP", "Spain", ID_AND_PASSPORT),
    country("IT", "ITA", "Italy", ID_AND_PASSPORT),
];

/// `code` as ISO 3166-1 alpha-2 in upper case.
pub fn supported_country(code: &str) -> Option<&'static SupportedCountry> {
    SUPPORTED.iter().find(|country| country.code == code)
}

/// Countries whose documents are printed in Arabic script as well, or alone.
const ARABIC: [&str; 12] = ["MA", "DZ", "TN", "EG", "JO", "LB", "KW", "QA", "BH", "OM", "SA", "AE"];

impl SupportedCountry {
    /// Whether its documents are printed in Arabic script, beside Latin or alone.
    pub fn prints_arabic(&self) -> bool {
        ARABIC.contains(&self.code)
    }

    pub fn takes(&self, document: DocumentType) -> bool {
        self.documents.contains(&document)
    }

    /// Everything is read generically until a measurement of a country's own layout stands behind
    /// [`SupportStatus::FullSupport`].
    pub const fn status(&self, _document: DocumentType) -> SupportStatus {
        SupportStatus::Beta
    }
}

impl DocumentType {
    /// Passports carry everything on one page, and voter cards are asked for with the front alone.
    pub const fn back_required(self) -> bool {
        matches!(self, Self::NationalId | Self::DrivingLicense | Self::ResidencePermit)
    }
}

/// The pictures that a submission cannot do without.
pub fn required_images(document: DocumentType, checks: &[Check]) -> Vec<ImageRole> {
    let selfie = checks.iter().any(|check| check.needs_selfie());
    let mut required = vec![ImageRole::DocumentFront];
    required.extend(document.back_required().then_some(ImageRole::DocumentBack));
    required.extend(selfie.then_some(ImageRole::Selfie));
    required
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_pages_documents_are_all_taken() {
        let seed: &[(&str, &[&str])] = &[
            ("MA", &["national_id", "passport", "driving_license", "residence_permit"]),
            ("DZ", &["national_id", "passport"]),
            ("EG", &["national_id", "passport"]),
            ("SA", &["national_id", "iqama", "passport"]),
            ("AE", &["emirates_id", "passport"]),
            ("NG", &["nin", "passport", "driving_license"]),
            ("KE", &["national_id", "passport"]),
            ("ZA", &["national_id", "passport"]),
            ("FR", &["cni", "passport"]),
        ];
        for (code, documents) in seed {
            let country = supported_country(code).unwrap();
            for document in *documents {
                assert!(country.takes(document.parse().unwrap()), "{code} {document}");
            }
        }
    }

    #[test]
    fn the_countries_that_print_arabic_are_known_ones() {
        assert!(supported_country("MA").unwrap().prints_arabic());
        assert!(!supported_country("KE").unwrap().prints_arabic());
        assert!(ARABIC.iter().all(|code| supported_country(code).is_some()));
    }

    #[test]
    fn passports_never_need_a_back() {
        assert!(!DocumentType::Passport.back_required());
        assert!(DocumentType::NationalId.back_required());
    }
}
