//! What a design says of its holder: as printed, and as the truth has it.

use crate::Error;
use crate::design::Design;
use crate::number;
use crate::person::{Person, Sex};
use crate::random::Random;
use std::collections::BTreeMap;

/// Fields whose truth is normalised, however they are printed; all others are true as printed.
const NORMALISED: &[&str] = &["date_of_birth", "issue_date", "expiry_date", "gender", "nationality"];

/// What follows from an MRZ.
const IN_MRZ: &[&str] =
    &["full_name", "first_name", "last_name", "date_of_birth", "gender", "nationality", "document_number"];

impl Design {
    /// The fields of the API that this document carries, normalised.
    pub fn field_values(&self, person: &Person) -> Result<BTreeMap<String, String>, Error> {
        let mut fields = BTreeMap::new();
        for (field, source) in &self.fields {
            fields.insert(field.clone(), self.normalised(source, person)?);
        }
        let layouts = || self.sides.iter().filter_map(|side| side.layout.as_ref());
        if layouts().next().is_none() {
            return Ok(fields);
        }
        let printed = self.printed(person)?;
        for item in layouts().flat_map(|layout| &layout.items) {
            let Some(field) = &item.field else { continue };
            let value = if NORMALISED.contains(&field.as_str()) {
                self.normalised(field, person)?
            } else {
                let lines: Vec<_> =
                    item.sources().filter_map(|s| printed.get(s)).map(String::as_str).collect();
                let text = lines.join(" ");
                if field.ends_with("_number") { text.replace(' ', "") } else { text }
            };
            fields.insert(field.clone(), value);
        }
        if let Some(zone) = &self.mrz {
            for field in IN_MRZ.iter().copied().chain(zone.format.has_expiry().then_some("expiry_date")) {
                let source = match (field, &zone.given_names, &zone.surname) {
                    ("document_number", ..) => &zone.document_number,
                    ("first_name", Some(given), _) => given,
                    ("last_name", _, Some(surname)) => surname,
                    _ => field,
                };
                if !fields.contains_key(field) && field != "full_name" {
                    let value = self.normalised(source, person)?;
                    let value = if field == "document_number" { value.replace(' ', "") } else { value };
                    fields.insert(field.to_owned(), value);
                }
            }
        }
        if let (None, Some(first), Some(last)) =
            (fields.get("full_name"), fields.get("first_name"), fields.get("last_name"))
        {
            let full = format!("{first} {last}");
            fields.insert("full_name".to_owned(), full);
        }
        Ok(fields)
    }

    /// A value in the form that the truth has it.
    pub(crate) fn normalised(&self, name: &str, person: &Person) -> Result<String, Error> {
        if (NORMALISED.contains(&name) || !self.values.contains_key(name))
            && let Some(value) = normalised(person).remove(name)
        {
            return Ok(value);
        }
        self.printed(person)?
            .remove(name)
            .ok_or_else(|| Error::Unknown { kind: "value", given: name.to_owned() })
    }

    /// Values as printed: dates in the design's order, everything else as it is.
    pub(crate) fn printed(&self, person: &Person) -> Result<BTreeMap<String, String>, Error> {
        let common = self.printed_by_all(person);
        let mut values = common.clone();
        for name in self.values.keys() {
            values.insert(name.clone(), self.own_value(name, person, &common, 0)?);
        }
        Ok(values)
    }

    /// A value of the design's own, which may be made of others.
    fn own_value(
        &self,
        name: &str,
        person: &Person,
        common: &BTreeMap<String, String>,
        depth: u8,
    ) -> Result<String, Error> {
        let unknown = || Error::Unknown { kind: "value", given: name.to_owned() };
        match self.values.get(name) {
            Some(pattern) if depth < 5 => {
                // By the pattern, so that one person has one number on all documents that give it.
                let mut random = Random::stream(person.seed, &format!("value/{pattern}"));
                let other = |other: &str| {
                    if other == name {
                        common.get(name).cloned().ok_or_else(unknown)
                    } else {
                        self.own_value(other, person, common, depth + 1)
                    }
                };
                number::written(pattern, person, &mut random, &other)
            }
            Some(_) => Err(unknown()),
            None => common.get(name).cloned().ok_or_else(unknown),
        }
    }

    fn printed_by_all(&self, person: &Person) -> BTreeMap<String, String> {
        let mut values: BTreeMap<String, String> =
            normalised(person).into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        values.extend(person.parts.clone());
        for (name, date) in [
            ("date_of_birth", person.date_of_birth),
            ("issue_date", person.issue_date),
            ("expiry_date", person.expiry_date),
        ] {
            values.insert(name.to_owned(), date.printed(&self.date_pattern));
        }
        values.insert("nationality".to_owned(), person.nationality_printed.clone());
        // French and Arabic grammar follows the holder's sex.
        let female = person.sex == Sex::Female;
        for (name, male_word, female_word) in [
            ("born", "Né le", "Née le"),
            ("born_arabic", "مزداد بتاريخ", "مزدادة بتاريخ"),
            ("child", "Fils de", "Fille de"),
            ("child_arabic", "ابن", "ابنة"),
        ] {
            values.insert(name.to_owned(), if female { female_word } else { male_word }.to_owned());
        }
        values
    }
}

/// Everything that can be said of a person, by name; dates `YYYY-MM-DD`.
fn normalised(person: &Person) -> BTreeMap<&'static str, String> {
    let [street, town] = &person.address;
    BTreeMap::from([
        ("first_name", person.given_names.latin.clone()),
        ("first_name_arabic", person.given_names.arabic.clone()),
        ("last_name", person.surname.latin.clone()),
        ("last_name_arabic", person.surname.arabic.clone()),
        ("full_name", format!("{} {}", person.given_names.latin, person.surname.latin)),
        ("gender", person.sex.printed().to_owned()),
        ("date_of_birth", person.date_of_birth.to_string()),
        ("issue_date", person.issue_date.to_string()),
        ("expiry_date", person.expiry_date.to_string()),
        ("place_of_birth", person.place_of_birth.latin.clone()),
        ("place_of_birth_arabic", person.place_of_birth.arabic.clone()),
        ("address", format!("{} {}", street.latin, town.latin)),
        ("address_line_0", street.latin.clone()),
        ("address_line_1", town.latin.clone()),
        ("address_arabic", format!("{} {}", street.arabic, town.arabic)),
        ("address_line_0_arabic", street.arabic.clone()),
        ("address_line_1_arabic", town.arabic.clone()),
        ("father", person.father.latin.clone()),
        ("father_arabic", person.father.arabic.clone()),
        ("mother", person.mother.latin.clone()),
        ("mother_arabic", person.mother.arabic.clone()),
        ("nationality", person.nationality_name.clone()),
        ("national_id_number", person.national_id_number.clone()),
        ("passport_number", person.passport_number.clone()),
        ("access_number", person.access_number.clone()),
        ("civil_status_number", person.civil_status_number.clone()),
        ("authority", person.authority.clone()),
        ("country_code", person.country.clone()),
    ])
}
