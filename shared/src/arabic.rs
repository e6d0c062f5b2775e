//! The Arabic script, as names are read and compared.

pub const fn is_letter(c: char) -> bool {
    matches!(c, '\u{620}'..='\u{63f}' | '\u{641}'..='\u{64a}' | '\u{66e}' | '\u{66f}' | '\u{671}'..='\u{6d3}')
}

/// Vowel signs and the stretching line, which hardly anybody types.
pub const fn is_mark(c: char) -> bool {
    matches!(c, '\u{64b}'..='\u{65f}' | '\u{640}' | '\u{670}')
}

/// Arabic-Indic, as states from Morocco to Iraq print them.
pub const fn is_digit(c: char) -> bool {
    matches!(c, '\u{660}'..='\u{669}')
}

/// Forms that are typed one for the other made one: alef and its carriers with and without hamza, final ya and ta.
pub const fn plain_letter(c: char) -> char {
    match c {
        'أ' | 'إ' | 'آ' | 'ٱ' => 'ا',
        'ى' | 'ی' | 'ئ' => 'ي',
        'ة' => 'ه',
        'ؤ' => 'و',
        other => other,
    }
}
