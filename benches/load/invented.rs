//! An invented region: its towns, its people, its services. The same number always gives the same person or service.

#![expect(clippy::indexing_slicing, reason = "the JSON objects made here have the members that are named here")]

use kith::kind::OrganizationId;
use serde_json::{Value, json};

/// Numbers that look random and are the same each time.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// The dice of a thing.
    pub fn of(kind: &str, number: usize) -> Self {
        let seed = kind.bytes().fold(number as u64, |seed, byte| seed.rotate_left(7) ^ u64::from(byte).wrapping_mul(0x9e37_79b9));
        Self(seed)
    }

    /// A number below `sides`.
    pub fn roll(&mut self, sides: usize) -> usize {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % sides.max(1) as u64) as usize
    }

    /// One of these.
    #[expect(clippy::indexing_slicing, reason = "a roll is below the length")]
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.roll(of.len())]
    }

    /// True in so many of a hundred cases.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.roll(100) < percent
    }

    /// A number from `-1` to `1`, more often near 0.
    fn offset(&mut self) -> f64 {
        let one = |dice: &mut Self| dice.roll(10_000) as f64 / 10_000.0;
        one(self) - one(self)
    }
}

struct Town {
    name: &'static str,
    latitude: f64,
    longitude: f64,
    postal_prefix: &'static str,
}

const fn town(name: &'static str, latitude: f64, longitude: f64, postal_prefix: &'static str) -> Town {
    Town { name, latitude, longitude, postal_prefix }
}

/// The first ones are the larger ones, and are chosen more often.
const TOWNS: &[Town] = &[
    town("Port Larch", 49.26, -123.11, "V5K"),
    town("Cedar Mouth", 49.18, -122.85, "V3T"),
    town("Alder Falls", 49.62, -120.05, "V0X"),
    town("Birch Landing", 49.89, -119.49, "V1Y"),
    town("Willow Bay", 48.43, -123.36, "V8W"),
    town("Aspen Creek", 50.67, -120.33, "V2C"),
    town("Spruce Harbour", 49.17, -123.94, "V9R"),
    town("Juniper Flats", 53.92, -122.75, "V2L"),
    town("Hemlock Bend", 49.49, -117.29, "V1L"),
    town("Tamarack", 54.52, -128.60, "V8G"),
    town("Dogwood Point", 50.02, -125.24, "V9W"),
    town("Sumac Lake", 49.10, -119.60, "V0H"),
];

fn home(dice: &mut Dice) -> &'static Town {
    let (one, other) = (dice.roll(TOWNS.len()), dice.roll(TOWNS.len()));
    TOWNS.get(one.min(other)).unwrap_or(const { &town("Port Larch", 49.26, -123.11, "V5K") })
}

fn point(town: &Town, dice: &mut Dice) -> Value {
    let degrees = |centre: f64, offset: f64| ((centre + offset) * 1e5).round() / 1e5;
    json!({ "latitude": degrees(town.latitude, dice.offset() * 0.12), "longitude": degrees(town.longitude, dice.offset() * 0.18) })
}

const GIVEN: &[&str] = &[
    "Amrit",
    "Odette",
    "Wei",
    "Fatima",
    "Johan",
    "Marie-Ève",
    "Harpreet",
    "Luc",
    "Grace",
    "Mohamed",
    "Anika",
    "Tomás",
    "Siobhán",
    "Yuki",
    "Nadia",
    "Pavel",
    "Ivy",
    "Kwame",
    "Leila",
    "Roland",
    "Simone",
    "Arjun",
    "Beatrice",
    "Chen",
    "Dolores",
    "Émile",
    "Farah",
    "Gurdeep",
    "Hana",
    "Ingrid",
    "Jasleen",
    "Kiran",
    "Lorraine",
    "Manjit",
    "Noor",
    "Oleg",
    "Priya",
    "Quentin",
    "Rosa",
    "Sven",
];
const FAMILY_BEGINNINGS: &[&str] = &[
    "Trem", "Lava", "Sin", "Ok", "Mac", "Fer", "Gon", "Win", "Har", "Bou", "Cha", "Dhal", "Est", "Fon", "Gre", "Hol", "Iv", "Jan", "Kow",
    "Lam", "Mor", "Nak", "Ols", "Pel", "Quin", "Rom", "Sch", "Tan", "Ung", "Van",
];
const FAMILY_ENDINGS: &[&str] = &[
    "blay", "llée", "gh", "afor", "Donald", "nandez", "zalez", "ter", "rison", "chard", "ng", "iwal", "rada", "taine", "wal", "mberg",
    "anov", "sen", "alski", "bert", "eau", "amura", "on", "letier", "lan", "ano", "midt", "aka", "er", "dijk",
];

const LANGUAGES: &[&str] = &["en", "en", "en", "en", "fr", "fr", "pa", "zh", "tl", "ar", "es", "uk"];

/// What a person wrote or is asked for about one kind of need.
struct Topic {
    domain: &'static str,
    kinds: &'static [&'static str],
    french: &'static str,
    about: &'static [&'static str],
    /// What somebody types into a search.
    asked: &'static [&'static str],
}

const TOPICS: &[Topic] = &[
    Topic {
        domain: "food-insecurity",
        kinds: &["Food Bank", "Community Kitchen", "Meals on Wheels", "Good Food Box"],
        french: "Banque alimentaire",
        about: &[
            "A hamper of fresh and dry food for every household that asks, once a week.",
            "Cook together, eat together and take a meal home.",
            "Hot lunches brought to the door of people who cannot shop or cook.",
        ],
        asked: &["food hamper", "hot meals", "cooking together", "food bank"],
    },
    Topic {
        domain: "housing-instability",
        kinds: &["Tenant Help", "Rent Bank", "Housing Outreach"],
        french: "Aide au logement",
        about: &["Advice for tenants who face eviction.", "A loan without interest to pay the rent that is overdue."],
        asked: &["rent help", "eviction", "housing"],
    },
    Topic {
        domain: "social-connection",
        kinds: &["Friendly Visiting", "Coffee Circle", "Singing Group", "Seniors Lunch"],
        french: "Café-rencontre",
        about: &[
            "Conversation and company every week, with somebody who saves you a seat.",
            "Volunteers visit people who live alone.",
            "Sing with others; no experience needed.",
        ],
        asked: &["company", "coffee group", "singing", "somebody to talk to"],
    },
    Topic {
        domain: "transportation-insecurity",
        kinds: &["Volunteer Drivers", "Medical Rides"],
        french: "Transport bénévole",
        about: &["A ride to the clinic, the shops or the pool, by volunteers.", "Door to door for people who cannot take the bus."],
        asked: &["ride to the clinic", "transport", "volunteer driver"],
    },
    Topic {
        domain: "x-physical-activity",
        kinds: &["Walking Group", "Gentle Yoga", "Falls Prevention"],
        french: "Groupe de marche",
        about: &["Walk at your own pace with others.", "Gentle movement on chairs, led by a kinesiologist."],
        asked: &["walking group", "gentle exercise", "yoga for seniors"],
    },
    Topic {
        domain: "x-nature",
        kinds: &["Community Garden", "Forest Walks"],
        french: "Jardin communautaire",
        about: &["A raised bed, tools and neighbours who know how to grow things.", "Slow walks under old trees."],
        asked: &["gardening", "garden plot", "nature walk"],
    },
    Topic {
        domain: "x-arts-culture",
        kinds: &["Art Studio", "Choir", "Library Makers"],
        french: "Atelier d’art",
        about: &["Paint, clay and paper for people who have never tried.", "Concert tickets and rehearsals that are open to all."],
        asked: &["painting", "choir", "art class"],
    },
    Topic {
        domain: "financial-insecurity",
        kinds: &["Tax Clinic", "Money Coaching", "Benefits Navigator"],
        french: "Clinique d’impôts",
        about: &["Help with income tax returns and benefits that people are owed.", "Sort out debts with somebody who does not judge."],
        asked: &["income tax help", "debt advice", "benefits"],
    },
    Topic {
        domain: "x-mental-health",
        kinds: &["Peer Support", "Counselling"],
        french: "Soutien par les pairs",
        about: &["People who have been through it listen.", "Counselling at no charge, six sessions."],
        asked: &["counselling", "peer support", "anxiety"],
    },
    Topic {
        domain: "x-bereavement",
        kinds: &["Grief Group", "Walking through Loss"],
        french: "Groupe de deuil",
        about: &["For people who have lost somebody close, eight evenings.", "Walk and talk with others who grieve."],
        asked: &["grief", "bereavement group"],
    },
    Topic {
        domain: "digital-literacy",
        kinds: &["Tech Tutors", "Device Lending"],
        french: "Aide numérique",
        about: &["Learn to use a phone or tablet at your own speed.", "Borrow a laptop, with data."],
        asked: &["computer lessons", "tablet help"],
    },
    Topic {
        domain: "language-access",
        kinds: &["English Conversation", "Interpreters’ Desk"],
        french: "Cours de conversation",
        about: &["Practise English over tea.", "Interpreters for appointments, by phone or in person."],
        asked: &["english class", "interpreter"],
    },
];

fn topic(dice: &mut Dice) -> &'static Topic {
    dice.pick(TOPICS)
}

fn phone(number: usize) -> String {
    format!("250-{:03}-{:04}", 200 + number / 10_000 % 700, number % 10_000)
}

/// A person as a clinic registers them. At the same number, always the same one.
pub fn person(number: usize) -> Value {
    let mut dice = Dice::of("person", number);
    let town = home(&mut dice);
    let family = format!("{}{}", dice.pick(FAMILY_BEGINNINGS), dice.pick(FAMILY_ENDINGS));
    let language = *dice.pick(LANGUAGES);
    let birth_date = format!("{}-{:02}-{:02}", 1930 + dice.roll(76), 1 + dice.roll(12), 1 + dice.roll(28));
    json!({
        "names": [{ "given": dice.pick(GIVEN), "family": family }],
        "birth_date": birth_date,
        "languages": [{ "language": language, "preferred": true }],
        "contact_points": [{ "kind": "phone", "value": phone(number) }],
        "address": { "line1": format!("{} Mill Street", 1 + dice.roll(900)), "city": town.name, "region": "BC", "postal_code": format!("{} 1A{}", town.postal_prefix, dice.roll(10)), "country": "CA" },
        "point": point(town, &mut dice),
        "interests": [topic(&mut dice).asked.first()],
    })
}

/// The domains of the needs that a person has.
pub fn needs(number: usize) -> Vec<&'static str> {
    let mut dice = Dice::of("needs", number);
    let (one, other) = (topic(&mut dice).domain, topic(&mut dice).domain);
    if one == other { vec![one] } else { vec![one, other] }
}

/// A service in the form of the API, with its key.
pub fn service(number: usize, source: &str, provider: Option<OrganizationId>) -> Value {
    let mut dice = Dice::of("service", number);
    let (town, topic) = (home(&mut dice), topic(&mut dice));
    let kind = *dice.pick(topic.kinds);
    let is_placeless = dice.chance(30);
    let mut languages = vec!["en"];
    languages.extend((dice.chance(40)).then(|| *dice.pick(&["fr", "pa", "zh", "ar", "es"])));
    let days = *dice.pick(&["MO,WE", "TU,TH", "SA", "MO,TU,WE,TH,FR", "FR"]);
    let capacity = if dice.chance(20) { 20 } else { 60 };
    let mut service = json!({
        "name": format!("{} {kind} {number}", town.name),
        "description": topic.about.iter().chain([&"Please call ahead.", &"Everybody from the region is welcome."]).copied().collect::<Vec<_>>().join(" "),
        "provider_id": provider,
        "need_domains": [{ "code": topic.domain }],
        "languages": languages.iter().map(|language| json!({ "language": language })).collect::<Vec<_>>(),
        "schedules": [{ "rrule": format!("FREQ=WEEKLY;BYDAY={days}"), "opens_at": "09:00", "closes_at": "16:30", "time_zone": "America/Vancouver" }],
        "eligibility": { "min_age": dice.chance(capacity).then_some(if dice.chance(30) { 55 } else { 19 }) },
        "cost": { "kind": dice.pick(&["free", "free", "fixed", "sliding_scale"]) },
        "phones": [{ "original": phone(number) }],
        "service_areas": [{ "kind": "postal_prefix", "value": town.postal_prefix }],
        "identifiers": [{ "system": source, "value": format!("s-{number}") }],
        "verification": { "last_verified_on": format!("2026-{:02}-01", 1 + dice.roll(9)) },
    });
    if is_placeless {
        service["delivery_modes"] = json!(["phone"]);
    } else {
        service["delivery_modes"] = json!(["in_person"]);
        service["places"] = json!([{ "point": point(town, &mut dice), "accessibility": ["wheelchair"],
            "address": { "line1": format!("{} Main Street", 1 + dice.roll(900)), "city": town.name, "region": "BC", "country": "CA" } }]);
    }
    if languages.contains(&"fr") {
        service["translations"] = json!([{ "language": "fr", "name": format!("{} de {} {number}", topic.french, town.name) }]);
    }
    service
}

/// A service as another directory exports it: HSDS, with its organization.
pub fn exported(number: usize) -> Value {
    let mut dice = Dice::of("service", number);
    let (town, topic) = (home(&mut dice), topic(&mut dice));
    let kind = *dice.pick(topic.kinds);
    let place = point(town, &mut dice);
    json!({
        "id": format!("x-{number}"), "name": format!("{} {kind} {number}", town.name), "description": topic.about.join(" "), "status": "active",
        "organization": { "id": format!("o-{}", number % 997), "name": format!("{} Society {}", town.name, number % 997) },
        "phones": [{ "number": phone(number), "type": "voice" }],
        "schedules": [{ "freq": "WEEKLY", "byday": "TU,TH", "opens_at": "10:00", "closes_at": "13:00" }],
        "languages": [{ "code": "en" }],
        "service_at_locations": [{ "location": { "name": format!("{} Hall", town.name), "latitude": place["latitude"], "longitude": place["longitude"],
            "addresses": [{ "address_1": format!("{} Main Street", 1 + dice.roll(900)), "city": town.name, "state_province": "BC", "postal_code": format!("{} 1A1", town.postal_prefix), "country": "CA" }] } }],
    })
}

/// The query of somebody who looks for something near a home.
pub fn search(number: usize) -> String {
    let mut dice = Dice::of("search", number);
    let (town, topic) = (home(&mut dice), topic(&mut dice));
    let place = point(town, &mut dice);
    let words = dice.pick(topic.asked).replace(' ', "+");
    format!("q={words}&need={}&near={},{}&radius_km=10&limit=20", topic.domain, place["latitude"], place["longitude"])
}
