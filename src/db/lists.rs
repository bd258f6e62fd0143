//! Several values in one column of text.

use std::fmt::Display;
use std::str::FromStr;

/// Values in the form `|a|b|`, in which `LIKE '%|a|%'` finds each.
pub fn list<T: Display>(values: &[T]) -> String {
    values.iter().fold(String::from("|"), |text, value| format!("{text}{value}|"))
}

/// The values of such a list.
pub fn read_list<T: FromStr>(text: &str) -> impl Iterator<Item = T> {
    text.split('|').filter_map(|value| value.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consents::model::DataCategory;

    #[test]
    fn a_list_is_read_as_it_was_written() {
        let categories = [DataCategory::Contact, DataCategory::FollowUps];
        assert_eq!(list(&categories), "|contact|follow_ups|");
        assert_eq!(read_list::<DataCategory>(&list(&categories)).collect::<Vec<_>>(), categories);
        assert_eq!(read_list::<DataCategory>(&list::<DataCategory>(&[])).count(), 0);
    }
}
