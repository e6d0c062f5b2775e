//! What fields say of themselves and of each other.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Whether a field is as fields of its kind must be. One that fails is less sure, and is never changed to
/// fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldCheck {
    pub field: String,
    /// `pattern` (the form of the country's numbers), `check_digit`, `birth_in_number`,
    /// `gender_in_number`, `date_order`, `age`.
    pub rule: String,
    pub holds: bool,
    /// The other field of the rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub against: Option<String>,
}

impl FieldCheck {
    pub fn new(field: &str, rule: &str, holds: bool, against: Option<&str>) -> Self {
        Self { field: field.to_owned(), rule: rule.to_owned(), holds, against: against.map(str::to_owned) }
    }
}
