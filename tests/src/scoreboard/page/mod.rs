//! `index.html`: one file that needs nothing else.

mod misses;
mod plot;

use super::compare::Script;
use super::figures::{Fields, Figures, share};
use super::json::{About, input};
use super::{Board, GENERATED, NOTHING, Set};
pub use plot::percent;
use plot::{Bar, bars, escaped, heatmap, reliability, times};
use std::collections::{BTreeMap, BTreeSet};

/// Milliseconds of processor time that a side may take (issue 6).
const LIMIT_MS: f32 = 450.0;

pub fn page(board: &Board, about: &About) -> String {
    let mut body = format!(
        "<h1>Reading documents</h1><p class=\"soft\">{} · commit {} · {} · {} thread(s), {} build · seed {}, {} per \
         design and condition</p>",
        escaped(&about.at),
        escaped(&about.commit),
        escaped(&about.machine),
        about.threads,
        if about.release_build { "release" } else { "development" },
        about.seed,
        about.per,
    );
    if !about.release_build {
        body += "<p class=\"alarm\">A development build: the times below are no figures.</p>";
    }
    for alarm in board.alarms() {
        body += &format!("<p class=\"alarm\"><b>{}</b></p>", escaped(&alarm));
    }
    // Generated documents first, then the folders, then pictures without a document.
    let place = |name: &str| match name {
        GENERATED => 0,
        NOTHING => 2,
        _ => 1,
    };
    let mut sets: Vec<_> = board.sets.iter().collect();
    sets.sort_by_key(|(name, _)| place(name));
    for (name, of) in sets {
        body += &format!("<h2>{}</h2><p>Measured on {}.</p>", escaped(name), input(name));
        body += &if name == NOTHING { nothing(of) } else { set(of) };
    }
    body += &misses::cards(&board.misses.worst());
    if !board.left_out.is_empty() {
        let lines: String = board.left_out.iter().map(|line| format!("<li>{}</li>", escaped(line))).collect();
        body += &format!("<h2>Left out</h2><ul>{lines}</ul>");
    }
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\"><title>Scoreboard: reading documents</title>\
         <style>{}</style><body>{body}<h2>How it is counted</h2><p>{HOW}</p></body></html>",
        include_str!("style.css"),
    )
}

const HOW: &str = "A document counts as found where the reported outline and the true one share 90 % of the area \
    that they cover together. Dates, gender, nationality, numbers and codes must equal the normalised value; other \
    fields are compared without regard to case and white space, and with their accents. A full name that is put \
    together from others is left out of the overall rates. Character error: wrong characters over characters of the \
    truth, absent fields included. Confidence: readings in ten bins by what they claimed; the gap is the mean \
    distance between claim and truth. Times are per side: processor time of one thread, decoding included. Targets \
    are those of issue 6. The rules are told at length in tests/SCOREBOARD.md.";

fn tile(label: &str, value: &str, met: Option<bool>) -> String {
    let class = match met {
        Some(true) => " met",
        Some(false) => " missed",
        None => "",
    };
    format!("<div class=\"tile{class}\"><b>{}</b><span>{}</span></div>", escaped(value), escaped(label))
}

/// A rate that has a target, 0..1.
fn rate_tile(label: &str, rate: Option<f64>, target: f64) -> String {
    let label = format!("{label} (target {:.0} %)", 100.0 * target);
    tile(&label, &percent(rate), rate.map(|rate| rate >= target))
}

fn tiles(set: &Set) -> String {
    let all = &set.all;
    let mut tiles = tile("submissions", &all.submissions.to_string(), None);
    if all.documents.expected > 0 {
        tiles += &rate_tile("document found", all.documents.found_rate(), 0.98);
    }
    let groups = set.by.get("country_group");
    for (group, label, target) in [
        ("morocco", "fields exact, Morocco", 0.95),
        ("seed", "fields exact, the seed's countries", 0.92),
        ("rest", "fields exact, the rest", 0.85),
    ] {
        if let Some(figures) = groups.and_then(|groups| groups.get(group)) {
            tiles += &rate_tile(label, figures.overall().exact_rate(), target);
        }
    }
    for (script, label) in [(Script::Latin, "Latin fields exact"), (Script::Arabic, "Arabic fields exact")] {
        if let Some(fields) = all.scripts.get(&script) {
            tiles += &tile(label, &percent(fields.exact_rate()), None);
            tiles += &tile(
                &format!("character error, {}", script.as_str()),
                &percent(fields.character_error()),
                None,
            );
        }
    }
    if all.zones.expected > 0 {
        tiles += &tile("zones exact", &percent(all.zones.exact_rate()), None);
        let wrong = all.zones.wrong_but_valid;
        tiles += &tile("wrong zones reported valid", &wrong.to_string(), Some(wrong == 0));
    }
    let (median, _) = all.cost(|cost| cost.total);
    tiles + &tile("CPU-ms per side, median (at most 450)", &format!("{median:.0}"), Some(median <= LIMIT_MS))
}

fn set(set: &Set) -> String {
    let mut html = format!("<div class=\"tiles\">{}</div><div class=\"charts\">", tiles(set));
    for (by, title) in BY {
        let Some(labels) = set.by.get(by).filter(|labels| labels.len() > 1) else { continue };
        html += &chart(&format!("Fields by {title}"), &field_bars(labels), FIELDS_LEGEND);
        html += &chart(&format!("Machine-readable zones by {title}"), &zone_bars(labels), ZONES_LEGEND);
        html += &chart(&format!("Document found by {title}"), &document_bars(labels), DOCUMENTS_LEGEND);
    }
    let fields: Vec<Bar> =
        set.all.fields.iter().filter_map(|(name, fields)| field_bar(name, fields)).collect();
    html += &chart("Fields", &fields, FIELDS_LEGEND);
    html += &designs_and_conditions(set);
    let diagrams: String = set.calibration.iter().map(|(source, of)| reliability(source, of)).collect();
    if !diagrams.is_empty() {
        html += &format!(
            "<figure><h3>Does confidence mean something?</h3><div class=\"reliability\">{diagrams}</div><figcaption>\
             Claimed to the right, right upwards, number of readings below. Under the diagonal: \
             overconfident.</figcaption></figure>"
        );
    }
    html + &costs(set) + "</div>"
}

/// By what charts tell figures apart.
const BY: [(&str, &str); 4] = [
    ("country", "country"),
    ("document_type", "document type"),
    ("condition", "condition"),
    ("issuer", "issuer"),
];

const FIELDS_LEGEND: &[(&str, &str)] =
    &[("right", "exact"), ("marks", "exact but for accents"), ("wrong", "wrong"), ("absent", "absent")];
const ZONES_LEGEND: &[(&str, &str)] = &[("right", "exact"), ("wrong", "not exact"), ("absent", "none read")];
const DOCUMENTS_LEGEND: &[(&str, &str)] =
    &[("right", "found (IoU ≥ 0.9)"), ("wrong", "another outline"), ("absent", "no outline")];

/// Nothing where there are no rows.
fn chart(title: &str, rows: &[Bar], legend: &[(&str, &str)]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let legend: String =
        legend.iter().map(|(class, what)| format!("<span><i class=\"{class}\"></i>{what}</span>")).collect();
    format!("<figure><h3>{}</h3>{}<div class=\"legend\">{legend}</div></figure>", escaped(title), bars(rows))
}

fn field_bar(label: &str, fields: &Fields) -> Option<Bar> {
    (fields.expected > 0).then(|| Bar {
        label: label.to_owned(),
        parts: vec![
            (fields.exact, "right", "exact"),
            (fields.but_for_marks, "marks", "exact but for accents"),
            (fields.wrong, "wrong", "wrong"),
            (fields.absent, "absent", "absent"),
        ],
        value: format!("{} of {}", percent(fields.exact_rate()), fields.expected),
    })
}

fn field_bars(labels: &BTreeMap<String, Figures>) -> Vec<Bar> {
    labels.iter().filter_map(|(label, figures)| field_bar(label, &figures.overall())).collect()
}

fn zone_bars(labels: &BTreeMap<String, Figures>) -> Vec<Bar> {
    let bar = |(label, figures): (&String, &Figures)| {
        let zones = &figures.zones;
        (zones.expected > 0).then(|| Bar {
            label: label.clone(),
            parts: vec![
                (zones.exact, "right", "exact"),
                (zones.expected - zones.exact - zones.none, "wrong", "not exact"),
                (zones.none, "absent", "not read"),
            ],
            value: format!("{} of {}", percent(zones.exact_rate()), zones.expected),
        })
    };
    labels.iter().filter_map(bar).collect()
}

fn document_bars(labels: &BTreeMap<String, Figures>) -> Vec<Bar> {
    let bar = |(label, figures): (&String, &Figures)| {
        let documents = &figures.documents;
        (documents.expected > 0).then(|| Bar {
            label: label.clone(),
            parts: vec![
                (documents.found, "right", "found"),
                (documents.reported - documents.found, "wrong", "elsewhere"),
                (documents.expected - documents.reported, "absent", "without outline"),
            ],
            value: format!("{} of {}", percent(documents.found_rate()), documents.expected),
        })
    };
    labels.iter().filter_map(bar).collect()
}

fn designs_and_conditions(set: &Set) -> String {
    let labels = |by: &str| -> Vec<String> {
        set.by
            .get(by)
            .into_iter()
            .flat_map(|labels| labels.keys().cloned())
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect()
    };
    let (designs, conditions) = (labels("design"), labels("condition"));
    let Some(cells) = set.by.get("design_condition").filter(|_| !designs.is_empty()) else {
        return String::new();
    };
    let map = |rate: fn(&Figures) -> Option<f64>| {
        heatmap(&designs, &conditions, |design, condition| rate(cells.get(&format!("{design} {condition}"))?))
    };
    format!(
        "<figure class=\"wide\"><h3>Fields exact, per cent, by document and condition</h3>{}</figure>\
         <figure class=\"wide\"><h3>Zones exact, per cent, by document and condition</h3>{}</figure>",
        map(|figures| figures.overall().exact_rate()),
        map(|figures| figures.zones.exact_rate()),
    )
}

fn costs(set: &Set) -> String {
    let row = |label: &str, figures: &Figures| {
        let (median, p90) = figures.cost(|cost| cost.total);
        (label.to_owned(), median, p90)
    };
    let mut rows = vec![row("all", &set.all)];
    let conditions = set.by.get("condition").or_else(|| set.by.get("issuer"));
    rows.extend(conditions.into_iter().flatten().map(|(label, figures)| row(label, figures)));
    let ((decode, _), (models, _)) = (set.all.cost(|cost| cost.decode), set.all.cost(|cost| cost.models));
    format!(
        "<figure><h3>CPU-ms per side</h3>{}<figcaption>Bar: median, tick: ninth decile. Of the median side decoding \
         {decode:.0} ms, models {models:.0} ms (by the clock).</figcaption></figure>",
        times(&rows, LIMIT_MS),
    )
}

fn nothing(set: &Set) -> String {
    let all = &set.all;
    let invented = all.with_extra;
    let mut html = format!(
        "<div class=\"tiles\">{}{}{}</div><div class=\"charts\">",
        tile("pictures", &all.submissions.to_string(), None),
        tile("from which something was read (target 0)", &invented.to_string(), Some(invented == 0)),
        tile("called readable", &all.readable.to_string(), Some(all.readable == 0)),
    );
    let bar = |(label, figures): (&String, &Figures)| Bar {
        label: label.clone(),
        parts: vec![
            (figures.submissions - figures.with_extra, "right", "nothing read"),
            (figures.with_extra, "wrong", "something read"),
        ],
        value: format!(
            "{} of {}",
            percent(share(figures.submissions - figures.with_extra, figures.submissions)),
            figures.submissions
        ),
    };
    let rows: Vec<Bar> = set.by.get("kind").into_iter().flatten().map(bar).collect();
    html += &chart(
        "Pictures without a document",
        &rows,
        &[("right", "nothing read"), ("wrong", "something read")],
    );
    html + &costs(set) + "</div>"
}
