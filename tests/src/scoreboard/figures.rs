//! Counts over many readings, and the rates made of them.

use super::compare::{Match, Script};
use super::judge::{FOUND_IOU, FieldJudged, Judgement, ZoneJudged};
use super::reading::Cost;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Of one group of submissions.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    pub submissions: usize,
    pub sides: usize,
    pub readable: usize,
    pub documents: Documents,
    /// By field name.
    pub fields: BTreeMap<String, Fields>,
    /// Without derived fields.
    pub scripts: BTreeMap<Script, Fields>,
    /// Fields that the document does not have, by name.
    pub extra: BTreeMap<String, usize>,
    /// Submissions with such a field or with a zone that is not there.
    pub with_extra: usize,
    pub zones: Zones,
    /// Of each side.
    pub costs: Vec<Cost>,
}

/// Sides whose outline the truth tells.
#[derive(Debug, Clone, Copy, Default)]
pub struct Documents {
    pub expected: usize,
    pub reported: usize,
    pub found: usize,
    iou: f64,
}

#[derive(Debug, Clone, Copy, Default)]
pub struct Fields {
    pub expected: usize,
    pub exact: usize,
    pub but_for_marks: usize,
    pub wrong: usize,
    pub absent: usize,
    pub characters: usize,
    pub edits: usize,
    /// Of the fields that were read at all.
    pub characters_read: usize,
    pub edits_read: usize,
}

#[derive(Debug, Clone, Copy, Default)]
pub struct Zones {
    pub expected: usize,
    pub exact: usize,
    pub raw_exact: usize,
    pub none: usize,
    pub valid: usize,
    pub wrong_but_valid: usize,
    pub ambiguous: usize,
    pub corrections: usize,
    pub untold_corrections: usize,
    pub characters: usize,
    pub edits: usize,
    pub raw_edits: usize,
    /// Read from documents that have none.
    pub invented: usize,
}

/// `part / of`, absent where nothing was counted.
pub fn share(part: usize, of: usize) -> Option<f64> {
    (of > 0).then(|| part as f64 / of as f64)
}

impl Fields {
    fn add(&mut self, field: &FieldJudged) {
        self.expected += 1;
        self.characters += field.characters;
        self.edits += field.edits;
        let counted = match field.outcome {
            Match::Exact => &mut self.exact,
            Match::ButForMarks => &mut self.but_for_marks,
            Match::Wrong => &mut self.wrong,
            Match::Absent => &mut self.absent,
        };
        *counted += 1;
        if field.outcome != Match::Absent {
            self.characters_read += field.characters;
            self.edits_read += field.edits;
        }
    }

    pub fn merge(&mut self, other: &Self) {
        let Self { expected, exact, but_for_marks, wrong, absent, .. } = other;
        self.expected += expected;
        self.exact += exact;
        self.but_for_marks += but_for_marks;
        self.wrong += wrong;
        self.absent += absent;
        self.characters += other.characters;
        self.edits += other.edits;
        self.characters_read += other.characters_read;
        self.edits_read += other.edits_read;
    }

    pub fn exact_rate(&self) -> Option<f64> {
        share(self.exact, self.expected)
    }

    pub fn character_error(&self) -> Option<f64> {
        share(self.edits, self.characters)
    }

    fn json(&self) -> Value {
        json!({
            "expected": self.expected,
            "exact": self.exact,
            "but_for_marks": self.but_for_marks,
            "wrong": self.wrong,
            "absent": self.absent,
            "exact_rate": self.exact_rate(),
            "exact_rate_without_marks": share(self.exact + self.but_for_marks, self.expected),
            "character_error": self.character_error(),
            "character_error_of_read": share(self.edits_read, self.characters_read),
        })
    }
}

impl Zones {
    fn add(&mut self, zone: &ZoneJudged) {
        self.expected += 1;
        self.exact += usize::from(zone.exact);
        self.raw_exact += usize::from(zone.raw_exact);
        self.wrong_but_valid += usize::from(zone.wrong_but_valid());
        self.untold_corrections += zone.untold;
        self.characters += zone.characters;
        self.edits += zone.edits;
        self.raw_edits += zone.raw_edits;
        match &zone.read {
            None => self.none += 1,
            Some(mrz) => {
                self.valid += usize::from(mrz.valid);
                self.ambiguous += usize::from(!mrz.ambiguities.is_empty());
                self.corrections += mrz.corrections.len();
            }
        }
    }

    pub fn exact_rate(&self) -> Option<f64> {
        share(self.exact, self.expected)
    }

    fn json(&self) -> Value {
        json!({
            "expected": self.expected,
            "exact": self.exact,
            "exact_rate": self.exact_rate(),
            "exact_as_recognised": self.raw_exact,
            "none": self.none,
            "valid": self.valid,
            "wrong_but_valid": self.wrong_but_valid,
            "ambiguous": self.ambiguous,
            "corrections": self.corrections,
            "lines_with_untold_corrections": self.untold_corrections,
            "character_error": share(self.edits, self.characters),
            "character_error_as_recognised": share(self.raw_edits, self.characters),
            "invented": self.invented,
        })
    }
}

impl Documents {
    pub fn found_rate(&self) -> Option<f64> {
        share(self.found, self.expected)
    }

    fn json(&self) -> Value {
        json!({
            "expected": self.expected,
            "reported": self.reported,
            "found": self.found,
            "found_rate": self.found_rate(),
            "mean_iou_of_reported": (self.reported > 0).then(|| self.iou / self.reported as f64),
        })
    }
}

impl Figures {
    pub fn add(&mut self, judged: &Judgement, cost: Cost, sides: usize) {
        self.submissions += 1;
        self.sides += sides;
        self.readable += usize::from(judged.readable);
        for document in &judged.documents {
            self.documents.expected += 1;
            if let Some((_, iou)) = document.read {
                self.documents.reported += 1;
                self.documents.found += usize::from(iou >= FOUND_IOU);
                self.documents.iou += iou;
            }
        }
        for field in &judged.fields {
            self.fields.entry(field.name.clone()).or_default().add(field);
            if !field.derived {
                self.scripts.entry(field.script).or_default().add(field);
            }
        }
        for extra in &judged.extra {
            *self.extra.entry(extra.name.clone()).or_default() += 1;
        }
        self.with_extra += usize::from(judged.zone_invented || !judged.extra.is_empty());
        self.zones.invented += usize::from(judged.zone_invented);
        if let Some(zone) = &judged.zone {
            self.zones.add(zone);
        }
        self.costs.extend(std::iter::repeat_n(cost, sides));
    }

    /// All fields but derived ones.
    pub fn overall(&self) -> Fields {
        self.scripts.values().fold(Fields::default(), |mut all, script| {
            all.merge(script);
            all
        })
    }

    /// Median and ninth decile, 0 without any.
    pub fn cost(&self, of: fn(&Cost) -> f32) -> (f32, f32) {
        let mut values: Vec<f32> = self.costs.iter().map(of).collect();
        values.sort_by(f32::total_cmp);
        let at = |share: f32| {
            let place = (values.len() as f32 * share) as usize;
            values.get(place.min(values.len().saturating_sub(1))).copied().unwrap_or(0.0)
        };
        (at(0.5), at(0.9))
    }

    pub fn json(&self) -> Value {
        let by_name = |fields: &BTreeMap<String, Fields>| -> BTreeMap<String, Value> {
            fields.iter().map(|(name, counts)| (name.clone(), counts.json())).collect()
        };
        let scripts: BTreeMap<&str, Value> =
            self.scripts.iter().map(|(script, counts)| (script.as_str(), counts.json())).collect();
        let cost = |of: fn(&Cost) -> f32| {
            let (median, ninth_decile) = self.cost(of);
            json!({ "median": median, "p90": ninth_decile })
        };
        json!({
            "submissions": self.submissions,
            "sides": self.sides,
            "readable": self.readable,
            "with_something_invented": self.with_extra,
            "document": self.documents.json(),
            "fields": {
                "all": self.overall().json(),
                "by_script": scripts,
                "by_name": by_name(&self.fields),
                "extra": self.extra,
            },
            "mrz": self.zones.json(),
            "ms_per_side": {
                "total_cpu": cost(|c| c.total),
                "decode_cpu": cost(|c| c.decode),
                "models_clock": cost(|c| c.models),
            },
        })
    }
}
