//! Detects an origin that refuses everything: with a wrong `ORIGIN_SECRET` the origin answers 403 to every request.

use crate::ports::UnixSecs;

/// Counts consecutive 403 answers of the origin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct OriginRefusals {
    began_at: UnixSecs,
    count: u32,
    warned_at: Option<UnixSecs>,
}

impl OriginRefusals {
    /// Notes an answer of the origin. True when a warning is due: more than [`A_HANDFUL`] answers within a minute were 403 with
    /// no other answer between them, and the last warning is at least a minute old.
    pub(crate) fn note(&mut self, status: u16, now: UnixSecs) -> bool {
        // Any other answer shows that the origin accepts the secret: then a 403 is about one path.
        if status != 403 {
            self.count = 0;
            return false;
        }
        if self.count == 0 || now >= self.began_at.saturating_add(MINUTE_SECS) {
            self.began_at = now;
            self.count = 0;
        }
        self.count = self.count.saturating_add(1);
        let said = self.warned_at.is_some_and(|at| now < at.saturating_add(MINUTE_SECS));
        let warns = self.count > A_HANDFUL && !said;
        if warns {
            self.warned_at = Some(now);
        }
        warns
    }
}

/// So many 403 answers in a row can be missing pages: S3 behind CloudFront answers 403 for them.
const A_HANDFUL: u32 = 5;
const MINUTE_SECS: u64 = 60;

#[cfg(test)]
mod tests {
    use super::*;

    /// The times of the answers that bring a warning.
    fn warned(answers: &[(u16, UnixSecs)]) -> Vec<UnixSecs> {
        let mut refusals = OriginRefusals::default();
        answers.iter().filter(|(status, now)| refusals.note(*status, *now)).map(|(_, now)| *now).collect()
    }

    #[test]
    fn more_than_a_handful_of_refusals_in_a_minute_is_warned_of() {
        let refused = |count: u64| (0..count).map(|n| (403, 1000 + n)).collect::<Vec<_>>();
        assert!(warned(&refused(5)).is_empty());
        assert_eq!(warned(&refused(6)), [1005]);
    }

    #[test]
    fn a_warning_comes_once_a_minute_while_it_goes_on() {
        let always: Vec<_> = (0..150).map(|n| (403, 1000 + n)).collect();
        assert_eq!(warned(&always), [1005, 1065, 1125]);
    }

    #[test]
    fn refusals_that_are_more_than_a_minute_apart_are_not_added_up() {
        let slow: Vec<_> = (0..20).map(|n| (403, 1000 + 12 * n)).collect();
        assert!(warned(&slow).is_empty());
        let faster: Vec<_> = (0..6).map(|n| (403, 1000 + 11 * n)).collect();
        assert_eq!(warned(&faster), [1055]);
    }

    #[test]
    fn any_other_answer_shows_an_origin_that_gives_something_out() {
        for status in [200, 206, 304, 301, 404, 500] {
            let mut answers: Vec<_> = (0..5).map(|n| (403, 1000 + n)).collect();
            answers.push((status, 1005));
            answers.extend((6..11).map(|n| (403, 1000 + n)));
            assert!(warned(&answers).is_empty(), "{status}");
            answers.push((403, 1011));
            assert_eq!(warned(&answers), [1011], "{status}");
        }
    }
}
