//! The same fact read from two places of the document.

use super::FieldSource;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Two of `mrz`, `visual` and `barcode` are present: the two that were compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FieldComparison {
    pub field: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mrz: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visual: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub barcode: Option<String>,
    pub outcome: Agreement,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Agreement {
    Match,
    Partial,
    Conflict,
}

impl FieldComparison {
    pub fn new(field: &str, values: [(FieldSource, String); 2], outcome: Agreement) -> Self {
        let mut comparison =
            Self { field: field.to_owned(), mrz: None, visual: None, barcode: None, outcome };
        for (source, value) in values {
            let place = match source {
                FieldSource::Mrz => &mut comparison.mrz,
                FieldSource::Visual => &mut comparison.visual,
                FieldSource::Barcode => &mut comparison.barcode,
            };
            *place = Some(value);
        }
        comparison
    }

    pub const fn with_barcode(&self) -> bool {
        self.barcode.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_stored_before_barcodes_is_read_and_two_sources_are_written() {
        let stored = r#"{"field":"gender","mrz":"F","visual":"M","outcome":"conflict"}"#;
        let read: FieldComparison = serde_json::from_str(stored).unwrap();
        let values = [(FieldSource::Mrz, "F".to_owned()), (FieldSource::Visual, "M".to_owned())];
        assert_eq!(read, FieldComparison::new("gender", values, Agreement::Conflict));
        assert_eq!(serde_json::to_string(&read).unwrap(), stored);

        let values = [(FieldSource::Barcode, "F".to_owned()), (FieldSource::Visual, "F".to_owned())];
        let written =
            serde_json::to_string(&FieldComparison::new("gender", values, Agreement::Match)).unwrap();
        assert_eq!(written, r#"{"field":"gender","visual":"F","barcode":"F","outcome":"match"}"#);
    }
}
