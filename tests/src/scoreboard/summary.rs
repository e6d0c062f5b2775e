//! What is printed: the page in a few lines.

use super::compare::Script;
use super::figures::Figures;
use super::json::input;
use super::page::percent;
use super::{Board, NOTHING};
use std::fmt::Write as _;

impl Board {
    pub fn summary(&self) -> String {
        let mut text = String::new();
        for (name, set) in &self.sets {
            let _ = writeln!(text, "\n{name}: {}", input(name));
            if name == NOTHING {
                let (wrong, of) = (set.all.with_extra, set.all.submissions);
                let _ = writeln!(text, "  something read from {wrong} of {of}");
                continue;
            }
            let _ = writeln!(
                text,
                "  {:<38}{:>6}{:>9}{:>9}{:>9}{:>9}{:>9}{:>7}{:>8}",
                "", "sides", "found", "fields", "Latin", "Arabic", "zones", "WRONG", "CPU-ms"
            );
            line(&mut text, "all", &set.all);
            for (by, labels) in &set.by {
                if labels.len() > 1 && *by != "design_condition" {
                    let _ = writeln!(text, "  {by}");
                    labels
                        .iter()
                        .for_each(|(label, figures)| line(&mut text, &format!("  {label}"), figures));
                }
            }
            for (source, reliability) in &set.calibration {
                let gap = reliability.error().unwrap_or_default();
                let _ =
                    writeln!(text, "  confidence {source}: {} readings, gap {gap:.3}", reliability.count());
            }
        }
        for left_out in &self.left_out {
            let _ = writeln!(text, "left out: {left_out}");
        }
        text
    }
}

fn line(text: &mut String, label: &str, figures: &Figures) {
    let script = |script| percent(figures.scripts.get(&script).and_then(super::figures::Fields::exact_rate));
    let _ = writeln!(
        text,
        "  {label:<38}{:>6}{:>9}{:>9}{:>9}{:>9}{:>9}{:>7}{:>8.0}",
        figures.sides,
        percent(figures.documents.found_rate()),
        percent(figures.overall().exact_rate()),
        script(Script::Latin),
        script(Script::Arabic),
        percent(figures.zones.exact_rate()),
        figures.zones.wrong_but_valid,
        figures.cost(|cost| cost.total).0,
    );
}
