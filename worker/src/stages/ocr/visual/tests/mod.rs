//! Pairing labels with values, and whole documents as tables of lines.

mod tables;

use super::*;
use jiff::civil::date;
use txid_shared::words::DocumentType;

const TODAY: Date = date(2025, 11, 22);

fn line(text: &str, left: f32, top: f32) -> TextLine {
    TextLine::for_test(text, [left, top, left + 14.0 * text.chars().count() as f32, top + 30.0])
}

fn fields(lines: &[TextLine], today: Date) -> Vec<VisualField> {
    let printed = read(&[SideText { lines, frame: None }], &Told::default(), today);
    printed.fields.into_values().map(|(_, field)| field).collect()
}

fn value_of(fields: &[VisualField], kind: Kind) -> Option<&str> {
    fields.iter().find(|field| field.kind == kind).map(|field| field.value.as_str())
}

#[test]
fn values_stand_below_their_labels_in_columns() {
    let lines = [
        line("Doğulduğu tarix/Date of birth", 641.0, 667.0),
        line("Fardi identifikasiya nömrəsi/Personal No", 1036.0, 665.0),
        line("Cinsi/Sex", 1630.0, 664.0),
        line("14.08.1994", 645.0, 716.0),
        line("5188L2V", 1043.0, 715.0),
        line("K/M", 1630.0, 705.0),
        line("Doğulduğu yer/Place of birth", 641.0, 763.0),
        line("AZƏRBAYCAN/AZE", 647.0, 809.0),
    ];
    let found = fields(&lines, TODAY);
    assert_eq!(value_of(&found, Kind::DateOfBirth), Some("1994-08-14"));
    assert_eq!(value_of(&found, Kind::PersonalNumber), Some("5188L2V"));
    assert_eq!(value_of(&found, Kind::Gender), Some("M"));
    assert_eq!(value_of(&found, Kind::PlaceOfBirth), Some("AZƏRBAYCAN/AZE"));
}

#[test]
fn values_stand_beside_their_labels_and_addresses_go_on() {
    let lines = [
        line("N°", 62.0, 66.0),
        line("AB123456", 112.0, 60.0),
        line("Adresse", 62.0, 320.0),
        line("12 RUE IBN BATTOUTA", 200.0, 318.0),
        line("MAARIF CASABLANCA", 200.0, 360.0),
        line("Sexe", 62.0, 490.0),
        line("F", 150.0, 488.0),
    ];
    let found = fields(&lines, TODAY);
    assert_eq!(value_of(&found, Kind::DocumentNumber), Some("AB123456"));
    assert_eq!(value_of(&found, Kind::Address), Some("12 RUE IBN BATTOUTA, MAARIF CASABLANCA"));
    assert_eq!(value_of(&found, Kind::Gender), Some("F"));
}

#[test]
fn a_value_that_cannot_be_the_field_is_left_alone() {
    let lines = [line("Date of birth", 100.0, 100.0), line("CASABLANCA", 100.0, 140.0)];
    assert!(fields(&lines, TODAY).is_empty());
    assert!(fields(&[line("CAFE DE LA GARE", 10.0, 10.0), line("MENU 12,50", 10.0, 60.0)], TODAY).is_empty());
}

#[test]
fn unsure_lines_are_not_fields() {
    let mut lines = [line("Surname", 100.0, 100.0), line("ERIKSSON", 100.0, 140.0)];
    lines[1].confidence = 0.4;
    assert!(fields(&lines, TODAY).is_empty());
}

#[test]
fn names_without_labels_are_told_by_their_place_on_the_card() {
    // The date of birth below the names is not read; the card's edges are known.
    let lines = [
        line("ROYAUME DU MAROC", 40.0, 20.0),
        line("CARTE NATIONALE D'IDENTITE", 40.0, 70.0),
        line("MOUHCINE", 380.0, 175.0),
        line("TEMSAMANI", 380.0, 265.0),
        line("N° K01234", 380.0, 470.0),
        line("Valable jusqu'au 17.09.2029", 380.0, 520.0),
    ];
    let corners = [[0.0, 0.0], [1000.0, 0.0], [1000.0, 630.0], [0.0, 630.0]];
    let sides = [SideText { lines: &lines, frame: Frame::of_corners(&corners) }];
    let printed = read(&sides, &Told::default(), TODAY);
    let value = |kind| printed.fields.get(&kind).map(|(_, field)| field.value.as_str());
    assert_eq!((value(Kind::FirstName), value(Kind::LastName)), (Some("Mouhcine"), Some("Temsamani")));
    let unframed = read(&[SideText { lines: &lines, frame: None }], &Told::default(), TODAY);
    assert!(!unframed.fields.contains_key(&Kind::FirstName));
}

#[test]
fn egyptian_names_are_told_by_their_place_on_the_card() {
    let right_aligned = |text: &str, top: f32| line(text, 960.0 - 14.0 * text.chars().count() as f32, top);
    let lines = [
        right_aligned("جمهورية مصر العربية", 40.0),
        right_aligned("بطاقة تحقيق الشخصية", 95.0),
        right_aligned("أحمد", 160.0),
        right_aligned("محمد سيد علي", 220.0),
        right_aligned("٥ شارع النيل", 300.0),
        right_aligned("٢٩٠٠٥١٥٠١٠١٢٣٤", 520.0),
    ];
    let corners = [[0.0, 0.0], [1000.0, 0.0], [1000.0, 630.0], [0.0, 630.0]];
    let sides = [SideText { lines: &lines, frame: Frame::of_corners(&corners) }];
    let printed = read(&sides, &Told::default(), TODAY);
    let value = |kind| printed.fields.get(&kind).map(|(_, field)| field.value.as_str());
    assert!(printed.is_document);
    assert_eq!(value(Kind::FirstNameArabic), Some("أحمد"));
    assert_eq!(value(Kind::LastNameArabic), Some("محمد سيد علي"));
    assert_eq!(value(Kind::PersonalNumber), Some("29005150101234"));
}

#[test]
fn what_the_caller_says_helps_and_is_never_enough() {
    let title = line("CARTE NATIONALE D'IDENTITE", 40.0, 70.0);
    let rest = [
        line("N° K01234", 380.0, 470.0),
        line("Né le 29.11.1978", 380.0, 350.0),
        line("à FES", 380.0, 400.0),
    ];
    let told = Told { country: Some("MA"), document: Some(DocumentType::NationalId), zone: None };
    let chosen = |lines: &[TextLine], told: &Told<'_>| {
        read(&[SideText { lines, frame: None }], told, TODAY).template.map(Template::name)
    };
    let half = [vec![title], rest.to_vec()].concat();
    assert_eq!(chosen(&half, &told).as_deref(), Some("MAR/national_id/2020"));
    assert_eq!(chosen(&half, &Told::default()), None);
    assert_eq!(chosen(&rest, &told), None);
    // The zone of another state speaks louder.
    let french = chosen(&half, &Told { zone: Some(("FRA", "ID")), ..told });
    assert!(french.is_some_and(|name| name.starts_with("FRA/national_id")));
}

#[test]
fn a_place_of_birth_stands_above_or_below_the_date_that_it_shares_a_label_with() {
    let licence = [
        line("ROYAUME DU MAROC", 50.0, 46.0),
        line("PERMIS DE CONDUIRE", 46.0, 99.0),
        line("Nom", 484.0, 181.0),
        line("LAHLOU", 484.0, 214.0),
        line("Date et lieu de naissance", 480.0, 377.0),
        line("10/10/1991", 480.0, 408.0),
        line("TETOUAN", 475.0, 469.0),
        line("N° CNIE", 475.0, 535.0),
        line("BK363766", 477.0, 572.0),
    ];
    let found = fields(&licence, TODAY);
    assert_eq!(value_of(&found, Kind::DateOfBirth), Some("1991-10-10"));
    assert_eq!(value_of(&found, Kind::PlaceOfBirth), Some("TETOUAN"));
    let permit = [
        line("RESIDENCE PERMIT", 46.0, 20.0),
        line("UK", 847.0, 20.0),
        line("PLACE AND DATE OF BIRTH", 48.0, 197.0),
        line("MALINDI", 506.0, 204.0),
        line("10-10-1991", 501.0, 290.0),
        line("NATIONALITY", 39.0, 375.0),
        line("KENYAN", 495.0, 382.0),
    ];
    let found = fields(&permit, TODAY);
    assert_eq!(value_of(&found, Kind::DateOfBirth), Some("1991-10-10"));
    assert_eq!(value_of(&found, Kind::PlaceOfBirth), Some("MALINDI"));
    assert_eq!(value_of(&found, Kind::Nationality), Some("Kenyan"));
    assert_eq!(value_of(&found, Kind::Address), None, "a title is no address");
    let beside = [
        line("REPUBBLICA ITALIANA CARTA DI IDENTITÀ", 48.0, 54.0),
        line("LUOGO E DATA DI NASCITA", 484.0, 501.0),
        line("VERONA(VR)", 483.0, 531.0),
        line("10.10.1991", 1087.0, 550.0),
    ];
    let found = fields(&beside, TODAY);
    assert_eq!(value_of(&found, Kind::DateOfBirth), Some("1991-10-10"));
    assert_eq!(value_of(&found, Kind::PlaceOfBirth), Some("VERONA (VR)"));
}

#[test]
fn a_label_of_which_scraps_or_the_end_were_seen_still_announces_its_value() {
    let lines = [
        line("PASSPORT", 44.0, 20.0),
        line("all Place of birth", 752.0, 485.0),
        line("HAIL", 890.0, 513.0),
        line("ance / Date of birth", 120.0, 485.0),
        line("10/10/1991", 22.0, 513.0),
    ];
    let found = fields(&lines, TODAY);
    assert_eq!(value_of(&found, Kind::PlaceOfBirth), Some("HAIL"));
    assert_eq!(value_of(&found, Kind::DateOfBirth), Some("1991-10-10"));
}

#[test]
fn large_print_beside_small_labels_may_stand_lower() {
    let lines = [
        line("Adresse :", 37.0, 180.0),
        line("124 IMPASSE DES LILAS", 322.0, 205.0),
        line("31000 LILLE", 315.0, 238.0),
        line("délivrée le :", 5.0, 547.0),
        line("13.11.2024", 397.0, 573.0),
    ];
    let found = fields(&lines, TODAY);
    assert_eq!(value_of(&found, Kind::Address), Some("124 IMPASSE DES LILAS, 31000 LILLE"));
    assert_eq!(value_of(&found, Kind::IssueDate), Some("2024-11-13"));
}

#[test]
fn what_lies_across_the_document_is_no_value() {
    let mut lines = vec![
        line("Surname", 20.0, 100.0),
        line("Given names", 20.0, 200.0),
        line("GRACE", 20.0, 240.0),
        line("Date of birth", 20.0, 300.0),
        line("10/10/1991", 20.0, 340.0),
    ];
    lines.push(TextLine::for_test("MEN", [30.0, 132.0, 300.0, 260.0]));
    let found = fields(&lines, TODAY);
    assert_eq!(value_of(&found, Kind::LastName), None);
    assert_eq!(value_of(&found, Kind::FirstName), Some("Grace"));
}
