//! Text in six languages, made of frequent words: it means nothing and looks like print.

use crate::random::Random;

pub(crate) const LANGUAGES: usize = 6;

const WORDS: [&str; LANGUAGES] = [
    "the and of to in that for with as on by from are this have not they which their been more when there other time people year work small house water between after order city price every great place open later family market service morning garden bridge letter",
    "le la les de du des et en un une pour dans que sur avec par plus comme tout mais nous vous leur sont été fait cette aussi entre après avant toujours maison ville année travail marché service matin jardin pont lettre élève forêt très même où déjà ça",
    "el la los las de del y en un una para que con por más como todo pero nosotros sus son está este también entre después antes siempre casa ciudad año trabajo mercado servicio mañana jardín puente carta niño agua según quién corazón",
    "o a os as de do da e em um uma para que com por mais como tudo mas nós seus são está este também entre depois antes sempre casa cidade ano trabalho mercado serviço manhã jardim ponte carta criança água não então coração informação",
    "na ya wa kwa ni katika kama hii hiyo watu kazi siku mwaka nyumba mji maji barua soko huduma asubuhi bustani daraja familia mtoto shule bei kila kubwa ndogo baada kabla sasa leo kesho habari karibu asante chakula safari rafiki",
    "der die das und in zu den mit von für auf ist im nicht ein eine als auch es an werden aus er hat dass sie nach wird bei noch wie über so zum Haus Stadt Jahr Arbeit Markt Dienst Morgen Garten Brücke Brief Straße früher große Übung",
];

const NAMES: [[&str; 10]; LANGUAGES] = [
    [
        "Alice Turner",
        "George Hale",
        "Emma Clarke",
        "Noah Reid",
        "Grace Miller",
        "Henry Walsh",
        "Ruby Cole",
        "Oscar Lane",
        "Maya Brooks",
        "Felix Ward",
    ],
    [
        "Camille Morel",
        "Lucas Girard",
        "Inès Fabre",
        "Hugo Perrin",
        "Léa Marchand",
        "Théo Vidal",
        "Zoé Renaud",
        "Adam Caron",
        "Jade Brunet",
        "Louis Picard",
    ],
    [
        "Lucía Romero",
        "Diego Santos",
        "Carmen Ortiz",
        "Pablo Ibáñez",
        "Elena Cruz",
        "Javier Núñez",
        "Sofía Vega",
        "Mateo Rojas",
        "Irene Soler",
        "Andrés Peña",
    ],
    [
        "Ana Ferreira",
        "João Lopes",
        "Beatriz Mota",
        "Rui Tavares",
        "Inês Duarte",
        "Tiago Nunes",
        "Marta Pinto",
        "Pedro Sousa",
        "Clara Matos",
        "Luís Rocha",
    ],
    [
        "Amina Juma",
        "Baraka Otieno",
        "Neema Mwangi",
        "Juma Salim",
        "Zawadi Kamau",
        "Daudi Mrema",
        "Imani Hassan",
        "Faraji Ouma",
        "Rehema Said",
        "Tumaini Kato",
    ],
    [
        "Anna Becker",
        "Jonas Vogel",
        "Lena Krüger",
        "Paul Sommer",
        "Mia Schäfer",
        "Felix Brandt",
        "Clara König",
        "Emil Winter",
        "Greta Lange",
        "Max Huber",
    ],
];

const FIRMS: [[&str; 4]; LANGUAGES] = [
    ["Northgate Books", "Harbour Coffee", "Willow & Sons", "Bright Lane Print"],
    ["Boulangerie du Pont", "Librairie Sirocco", "Café des Tilleuls", "Atelier Bleu"],
    ["Panadería El Molino", "Librería Aurora", "Talleres Costa", "Café Central Sur"],
    ["Padaria do Largo", "Livraria Maré", "Oficina Norte", "Café Azulejo"],
    ["Duka la Vitabu", "Mkahawa Bahari", "Karakana Juhudi", "Soko Mpya"],
    ["Bäckerei Lindner", "Buchhandlung am Tor", "Café Morgenrot", "Druckerei Falk"],
];

fn one<'a>(from: &[&'a str], random: &mut Random) -> &'a str {
    random.pick(from).copied().unwrap_or_default()
}

/// Running words without end, about `length` characters.
pub(crate) fn line(language: usize, length: usize, random: &mut Random) -> String {
    let words: Vec<&str> = WORDS.get(language).copied().unwrap_or_default().split(' ').collect();
    let mut text = String::new();
    while text.chars().count() < length {
        let word = one(&words, random);
        if !text.is_empty() {
            text.push_str(if random.chance(0.07) { ", " } else { " " });
        }
        text.push_str(word);
    }
    text
}

/// A line that begins with a capital.
pub(crate) fn title(language: usize, length: usize, random: &mut Random) -> String {
    let text = line(language, length, random).replace(',', "");
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

pub(crate) fn name(language: usize, random: &mut Random) -> &'static str {
    NAMES.get(language).map_or("", |names| one(names, random))
}

pub(crate) fn firm(language: usize, random: &mut Random) -> &'static str {
    FIRMS.get(language).map_or("", |names| one(names, random))
}

pub(crate) fn language(random: &mut Random) -> usize {
    random.integer(0, LANGUAGES as i64 - 1) as usize
}

pub(crate) fn digits(count: usize, random: &mut Random) -> String {
    (0..count).map(|_| char::from(b'0' + random.integer(0, 9) as u8)).collect()
}

/// `dd/mm/yyyy` or `yyyy-mm-dd`, of these years.
pub(crate) fn date(random: &mut Random) -> String {
    let (day, month, year) = (random.integer(1, 28), random.integer(1, 12), random.integer(2021, 2029));
    if random.chance(0.7) {
        format!("{day:02}/{month:02}/{year}")
    } else {
        format!("{year}-{month:02}-{day:02}")
    }
}
