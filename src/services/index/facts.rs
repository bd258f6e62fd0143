//! What of a service is worth searching by.

use std::collections::HashMap;

use geo::{LineString, Polygon};

use super::{Flag, LabelKind, Record, Spot, is_area};
use crate::languages;
use crate::postal_codes;
use crate::services::model::{Accessibility, AreaKind, Basis, CapacityStatus, CostKind, DomainStrength, ServiceInput, ServiceStatus};
use crate::services::schedule::Timetable;
use crate::services::text::{is_stop_word, words};
use crate::text::fold;
use crate::types::{DeliveryMode, find_domain};

/// How much a word weighs by where it stands. A word in several fields adds up, to 255 at most.
mod weight {
    pub(super) const NAME: u16 = 100;
    pub(super) const ALTERNATE_NAME: u16 = 80;
    pub(super) const PROVIDER: u16 = 50;
    pub(super) const TOPIC: u16 = 40;
    pub(super) const DESCRIPTION: u16 = 30;
    pub(super) const PLACE: u16 = 25;
    pub(super) const NOTES: u16 = 12;
}

/// The words by which one service is found: those that weigh most. Long texts in ten languages have fewer.
pub(super) const MOST_WORDS: usize = 5_000;

/// The searchable facts of one service.
#[derive(Default)]
pub(super) struct Facts {
    pub(super) words: HashMap<String, u8>,
    pub(super) labels: Vec<(LabelKind, String)>,
    pub(super) spots: Vec<Spot>,
    pub(super) polygons: Vec<Polygon>,
    pub(super) has_only_polygons: bool,
    pub(super) timetables: Vec<Timetable>,
    pub(super) prices: Vec<([u8; 3], i64)>,
    pub(super) is_free_or_by_income: bool,
    pub(super) is_anywhere: bool,
    pub(super) has_city: bool,
    pub(super) walk_m: Option<i32>,
    pub(super) name_key: String,
}

impl Facts {
    pub(super) fn of(record: &Record<'_>) -> Self {
        let service = record.service;
        let mut facts = Self { name_key: fold(&service.name), ..Self::default() };
        facts.take_words(service);
        facts.take_labels(record);
        facts.take_places(service);
        facts.take_cost(service);
        facts.take_hours(service);
        facts
    }

    fn take_words(&mut self, service: &ServiceInput) {
        let mut weights: HashMap<String, u16> = HashMap::new();
        let mut add = |weight: u16, texts: &mut dyn Iterator<Item = &str>| {
            let mut here: Vec<String> = texts.flat_map(words).filter(|word| !is_stop_word(word)).collect();
            here.sort_unstable();
            here.dedup();
            for word in here {
                *weights.entry(word).or_default() += weight;
            }
        };
        let translations = || service.translations.iter();
        add(weight::NAME, &mut std::iter::once(&*service.name).chain(translations().filter_map(|t| t.name.as_deref())));
        add(weight::ALTERNATE_NAME, &mut service.alternate_names.iter().map(String::as_str));
        add(weight::PROVIDER, &mut service.provider_name.as_deref().into_iter());
        let attributes = &service.attributes;
        let domains = service.need_domains.iter().filter(|domain| domain.strength == DomainStrength::Direct);
        let domains = domains.filter_map(|domain| find_domain(&domain.code)).flat_map(|domain| [domain.en, domain.fr]);
        let codes = [&attributes.activities, &attributes.cultural_focus, &attributes.populations_served, &attributes.dietary];
        let terms = service.taxonomy_terms.iter().filter_map(|term| term.label.as_deref());
        add(weight::TOPIC, &mut domains.chain(codes.into_iter().flatten().map(String::as_str)).chain(terms));
        add(
            weight::DESCRIPTION,
            &mut service.description.as_deref().into_iter().chain(translations().filter_map(|t| t.description.as_deref())),
        );
        let places = service.places.iter();
        let place_texts = places.flat_map(|place| {
            let address = place.address.as_ref();
            [
                place.name.as_deref(),
                address.and_then(|address| address.city.as_deref()),
                address.and_then(|address| address.postal_code.as_deref()),
            ]
        });
        add(weight::PLACE, &mut place_texts.flatten());
        let translated = translations().flat_map(|t| [&t.eligibility, &t.application_process]);
        let notes = [&service.eligibility.text, &service.application_process].into_iter().chain(translated);
        add(weight::NOTES, &mut notes.filter_map(|note| note.as_deref()).chain(plain_words(service)));
        let mut words: Vec<(String, u16)> = weights.into_iter().collect();
        if words.len() > MOST_WORDS {
            words.sort_unstable_by(|(one, its), (other, others)| others.cmp(its).then_with(|| one.cmp(other)));
            words.truncate(MOST_WORDS);
        }
        self.words = words.into_iter().map(|(word, weight)| (word, u8::try_from(weight).unwrap_or(u8::MAX))).collect();
    }

    fn label(&mut self, kind: LabelKind, value: impl Into<String>) {
        self.labels.push((kind, value.into()));
    }

    fn flag(&mut self, flag: Flag) {
        self.label(LabelKind::Flag, flag.as_str());
    }

    fn take_labels(&mut self, record: &Record<'_>) {
        let service = record.service;
        for domain in &service.need_domains {
            self.label(LabelKind::Need, &domain.code);
            self.label(LabelKind::NeedFit, need_fit(&domain.code, domain.strength, domain.basis));
        }
        for language in &service.languages {
            self.label(LabelKind::Language, languages::code(&language.language));
            if !language.by_interpreter {
                self.label(LabelKind::LanguageSpoken, languages::code(&language.language));
            }
        }
        for language in service.places.iter().flat_map(|place| &place.languages) {
            self.label(LabelKind::Language, languages::code(language));
            self.label(LabelKind::LanguageSpoken, languages::code(language));
        }
        for mode in modes(service) {
            self.label(LabelKind::Mode, mode.as_str());
        }
        self.label(LabelKind::Status, service.status.as_str());
        self.label(LabelKind::Kind, service.kind.as_str());
        self.label(LabelKind::Capacity, record.capacity.as_str());
        self.label(LabelKind::Keeper, record.keeper.to_string());
        if let Some(provider) = service.provider_id {
            self.label(LabelKind::Provider, provider.to_string());
        }
        let attributes = &service.attributes;
        for population in service.eligibility.populations.iter().chain(&attributes.populations_served) {
            self.label(LabelKind::Population, population);
        }
        for diet in &attributes.dietary {
            self.label(LabelKind::Dietary, diet);
        }
        for culture in &attributes.cultural_focus {
            self.label(LabelKind::Culture, culture);
        }
        for practice in &attributes.practices {
            self.label(LabelKind::Practice, practice.code.as_str());
        }
        for term in &service.taxonomy_terms {
            self.label(LabelKind::Term, &term.code);
            self.label(LabelKind::Term, format!("{}|{}", term.taxonomy, term.code));
        }
        for area in &service.service_areas {
            match area.kind {
                AreaKind::PostalPrefix => self.label(LabelKind::PostalPrefix, postal_codes::compact(&area.value)),
                AreaKind::City => self.label(LabelKind::City, fold(&area.value)),
                _ => {}
            }
        }
        if !service.service_areas.is_empty() && service.service_areas.iter().all(|area| area.kind == AreaKind::PostalPrefix) {
            self.flag(Flag::PostalAreasOnly);
        }
        let has_room = !matches!(record.capacity, CapacityStatus::Full | CapacityStatus::Closed);
        if service.status == ServiceStatus::Active && has_room && service.accepts_referrals != Some(false) {
            self.flag(Flag::Accepting);
        }
    }

    fn take_places(&mut self, service: &ServiceInput) {
        for (number, place) in (0..=u16::MAX).zip(&service.places) {
            for accessibility in &place.accessibility {
                self.label(LabelKind::Accessibility, accessibility.as_str());
            }
            if let Some(city) = place.address.as_ref().and_then(|address| address.city.as_deref()) {
                let city = fold(city);
                self.has_city |= !city.is_empty();
                self.label(LabelKind::City, city);
            }
            if let Some(point) = place.point {
                self.spots.push(Spot { point, place: number, is_area: is_area(place.point_precision) });
            }
            if let Some(walk_m) = place.transit.as_ref().and_then(|transit| transit.walk_m) {
                self.walk_m = Some(self.walk_m.map_or(walk_m, |least| least.min(walk_m)));
            }
        }
        let is_remote =
            |mode: &DeliveryMode| matches!(mode, DeliveryMode::Phone | DeliveryMode::Video | DeliveryMode::TextChat | DeliveryMode::Online);
        self.is_anywhere = self.spots.is_empty() || service.delivery_modes.iter().any(is_remote);
        if self.is_anywhere {
            self.flag(Flag::Anywhere);
        }
        let rings = service.service_areas.iter().filter(|area| area.kind == AreaKind::Polygon).map(|area| &area.ring);
        self.polygons = rings
            .map(|ring| Polygon::new(ring.iter().map(|point| (point.longitude, point.latitude)).collect::<LineString>(), vec![]))
            .collect();
        self.has_only_polygons = !self.polygons.is_empty() && self.polygons.len() == service.service_areas.len();
    }

    fn take_cost(&mut self, service: &ServiceInput) {
        if let Some(kind) = service.cost.kind {
            let is_free = matches!(kind, CostKind::Free | CostKind::Donation);
            self.label(LabelKind::Cost, kind.as_str());
            self.flag(if is_free { Flag::Free } else { Flag::NotFree });
            self.is_free_or_by_income = is_free || kind == CostKind::SlidingScale;
        }
        let mut lowest: HashMap<[u8; 3], i64> = HashMap::new();
        for price in service.cost.options.iter().map(|option| &option.amount) {
            if let Ok(currency) = <[u8; 3]>::try_from(price.currency.as_bytes()) {
                let least = lowest.entry(currency).or_insert(price.amount_minor);
                *least = price.amount_minor.min(*least);
            }
        }
        self.prices = lowest.into_iter().collect();
    }

    fn take_hours(&mut self, service: &ServiceInput) {
        self.timetables = Timetable::of_service(service);
        if !self.timetables.is_empty() {
            let evenings = self.timetables.iter().any(Timetable::has_evenings);
            let weekends = self.timetables.iter().any(Timetable::has_weekends);
            self.flag(if evenings { Flag::Evenings } else { Flag::NotEvenings });
            self.flag(if weekends { Flag::Weekends } else { Flag::NotWeekends });
        }
    }
}

/// What people call the facts that a service states by code: "free", "Punjabi", "wheelchair accessible".
fn plain_words(service: &ServiceInput) -> impl Iterator<Item = &str> {
    let spoken = service.languages.iter().filter(|language| !language.by_interpreter).map(|language| language.language.as_str());
    // Nearly all is given in English: the word would tell nothing apart.
    let at_places = service.places.iter().flat_map(|place| &place.languages).map(String::as_str);
    let spoken = spoken.chain(at_places).filter(|tag| !languages::same(tag, "en"));
    let languages = spoken.flat_map(|tag| <[&str; 2]>::from(languages::name(tag)));
    let cost = matches!(service.cost.kind, Some(CostKind::Free)).then_some("free gratuit");
    let modes = service.delivery_modes.iter().filter_map(|mode| match mode {
        DeliveryMode::Phone => Some("phone téléphone"),
        DeliveryMode::Video => Some("video vidéo"),
        DeliveryMode::Online => Some("online virtuel"),
        _ => None,
    });
    let access = service.places.iter().flat_map(|place| &place.accessibility).filter_map(|what| match what {
        Accessibility::Wheelchair => Some("wheelchair accessible fauteuil roulant"),
        Accessibility::HearingLoop => Some("hearing loop boucle auditive"),
        Accessibility::SignLanguage => Some("sign language langue des signes"),
        _ => None,
    });
    languages.chain(cost).chain(modes).chain(access)
}

/// The label of how a service answers a need.
pub(in crate::services) fn need_fit(code: &str, strength: DomainStrength, basis: Basis) -> String {
    format!("{code}/{strength}/{basis}")
}

/// How it reaches people; in person where it does not say and has a place.
fn modes(service: &ServiceInput) -> impl Iterator<Item = DeliveryMode> + '_ {
    let unsaid = (service.delivery_modes.is_empty() && !service.places.is_empty()).then_some(DeliveryMode::InPerson);
    service.delivery_modes.iter().copied().chain(unsaid)
}
