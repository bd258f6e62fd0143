//! Sets of half-open spans on a line: of seconds in time, or of minutes in a week.

/// Disjoint spans `[from, until)` in rising order, none empty and none touching the next.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Spans(Vec<(i64, i64)>);

impl Spans {
    /// What is between two points.
    pub(super) fn between(from: i64, until: i64) -> Self {
        std::iter::once((from, until)).collect()
    }

    /// The spans in rising order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (i64, i64)> + '_ {
        self.0.iter().copied()
    }

    /// Whether nothing is in it.
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The length of all spans together.
    pub(super) fn total(&self) -> i64 {
        self.iter().map(|(from, until)| until - from).sum()
    }

    /// What is in both.
    pub(super) fn and(&self, other: &Self) -> Self {
        let (mut mine, mut theirs) = (self.iter().peekable(), other.iter().peekable());
        let mut both = Vec::new();
        while let (Some(&a), Some(&b)) = (mine.peek(), theirs.peek()) {
            both.push((a.0.max(b.0), a.1.min(b.1)));
            if a.1 < b.1 {
                mine.next()
            } else {
                theirs.next()
            };
        }
        both.into_iter().collect()
    }

    /// What is in this one only.
    pub(super) fn without(&self, other: &Self) -> Self {
        let mut rest = Vec::new();
        for (mut from, until) in self.iter() {
            for (hole_from, hole_until) in other.iter() {
                if hole_until <= from || until <= hole_from {
                    continue;
                }
                rest.push((from, hole_from));
                from = hole_until;
            }
            rest.push((from, until));
        }
        rest.into_iter().collect()
    }
}

impl FromIterator<(i64, i64)> for Spans {
    /// Takes spans in any order, overlapping, touching or empty.
    fn from_iter<I: IntoIterator<Item = (i64, i64)>>(spans: I) -> Self {
        let mut sorted: Vec<_> = spans.into_iter().filter(|(from, until)| from < until).collect();
        sorted.sort_unstable();
        sorted.dedup_by(|next, last| {
            let joined = next.0 <= last.1;
            if joined {
                last.1 = last.1.max(next.1);
            }
            joined
        });
        Self(sorted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn spans() -> impl Strategy<Value = Spans> {
        prop::collection::vec((0i64..50, 0i64..50), 0..8).prop_map(Spans::from_iter)
    }

    fn holds(spans: &Spans, point: i64) -> bool {
        spans.iter().any(|(from, until)| from <= point && point < until)
    }

    proptest! {
        #[test]
        fn set_operations_agree_with_points(a in spans(), b in spans()) {
            for point in 0..50 {
                prop_assert_eq!(holds(&a.and(&b), point), holds(&a, point) && holds(&b, point));
                prop_assert_eq!(holds(&a.without(&b), point), holds(&a, point) && !holds(&b, point));
            }
            prop_assert_eq!(a.and(&b).total() + a.without(&b).total(), a.total());
        }

        #[test]
        fn spans_are_disjoint_and_rising(a in spans()) {
            for pair in a.0.windows(2) {
                prop_assert!(pair[0].1 < pair[1].0);
            }
        }
    }
}
