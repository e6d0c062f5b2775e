use super::*;

fn find(line: &str) -> Option<Found> {
    Dictionary::general().find(line).into_iter().next()
}

fn kind(line: &str) -> Option<Kind> {
    find(line).filter(|found| found.inline_value.is_none()).map(|found| found.kind)
}

fn inline(line: &str) -> Option<(Kind, String)> {
    find(line).and_then(|found| Some((found.kind, found.inline_value?)))
}

#[test]
fn the_dictionary_parses_and_no_label_announces_two_things() {
    let sections: BTreeMap<Kind, Section> = toml::from_str(include_str!("labels.toml")).unwrap();
    assert_eq!(sections.len(), 18);
    let mut seen = BTreeMap::new();
    for (kind, section) in &sections {
        for label in &section.labels {
            let text = Phrase::of(*kind, label, false).text;
            let before = seen.insert(text.clone(), *kind);
            assert!(before.is_none_or(|before| before == *kind), "{text} twice");
        }
    }
}

#[test]
fn labels_of_real_documents_as_recognisers_read_them() {
    for (line, expected) in [
        ("Soyadı/Surname", Kind::LastName),
        ("Adi, atasinın adi/Given name, patronymic", Kind::FirstName),
        ("Pasportun nômrasi/Passport No", Kind::DocumentNumber),
        ("Fardi identifikasiya nömrəsi/Personal No", Kind::PersonalNumber),
        ("Doğulduğu tarix/Date of birth", Kind::DateOfBirth),
        ("Etibarliliq müddəti/Date of expiry", Kind::ExpiryDate),
        ("Pasport sahibinin imzası/Holder's signature", Kind::Ignored),
        ("Ölkənin kodu/Code of State", Kind::IssuingCountry),
        ("shtetesia/nationality", Kind::Nationality),
        ("(7) Fecha de expedición/Date of Issue", Kind::IssueDate),
        ("Geslacht /Sexe", Kind::Gender),
        ("Prénom", Kind::FirstName),
        ("Nom", Kind::LastName),
        ("N°", Kind::DocumentNumber),
        ("Née le", Kind::DateOfBirth),
        ("à", Kind::PlaceOfBirth),
    ] {
        assert_eq!(kind(line), Some(expected), "{line}");
    }
}

#[test]
fn a_value_after_its_label_is_cut_off() {
    assert_eq!(inline("Né le 15.05.1990"), Some((Kind::DateOfBirth, "15.05.1990".into())));
    assert_eq!(inline("Valable jusqu'au 14.05.2028"), Some((Kind::ExpiryDate, "14.05.2028".into())));
    assert_eq!(inline("N° CIN: AB123456"), Some((Kind::DocumentNumber, "AB123456".into())));
    assert_eq!(inline("à CASABLANCA ANFA"), Some((Kind::PlaceOfBirth, "CASABLANCA ANFA".into())));
    assert_eq!(inline("Adresse 123 Rue Mohammed V"), Some((Kind::Address, "123 Rue Mohammed V".into())));
}

#[test]
fn several_labels_on_one_line() {
    let all = |line: &str| -> Vec<(Kind, Option<String>)> {
        let found = Dictionary::general().find(line);
        found.into_iter().map(|found| (found.kind, found.inline_value)).collect()
    };
    assert_eq!(all("Nom/Surname  ERIKSSON"), [(Kind::LastName, Some("ERIKSSON".into()))]);
    assert_eq!(all("Nom : BERTHIER"), [(Kind::LastName, Some("BERTHIER".into()))]);
    assert_eq!(
        all("Sexe : F   Né(e) le : 06.12.1965"),
        [(Kind::Gender, Some("F".into())), (Kind::DateOfBirth, Some("06.12.1965".into()))]
    );
    assert_eq!(all("SEX M"), [(Kind::Gender, Some("M".into()))]);
    assert_eq!(all("DOB: 15/05/1990"), [(Kind::DateOfBirth, Some("15/05/1990".into()))]);
    assert_eq!(all("ID NO SIGNATURE"), []);
}

#[test]
fn arabic_labels_are_known_whatever_their_alef_and_marks() {
    assert_eq!(kind("تاريخ الميلاد"), Some(Kind::DateOfBirth));
    assert_eq!(kind("تَاريخ الإنتهاء"), Some(Kind::ExpiryDate));
    assert!(find("الاسم").unwrap().right_to_left);
    assert_eq!(find("محمد"), None);
}

#[test]
fn values_are_no_labels() {
    for line in
        ["ABDULLAYEV", "14.08.1994", "C19389564", "K/M", "AZƏRBAYCAN/AZERBAIJAN", "EL AMRANI", "M", "A", ""]
    {
        assert_eq!(find(line), None, "{line}");
    }
}
