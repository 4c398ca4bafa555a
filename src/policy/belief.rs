//! What one person wears, as far as the looks so far tell: a hidden Markov model of three states.
//!
//! A person is `Covered`, has the nose out, or is bare, and seldom changes.  A look is evidence for the state that it
//! shows.  Looks that follow each other closely show the same pixels and are wrong together, so what a look adds is
//! counted in the *time* since the look before, not in looks: a second of clear looks weighs the same at 3 and at 60
//! frames a second.  The chance that the person has changed since the last look, and Bayes' rule for this one, give
//!
//! ```text
//! p(state) ← p(state) + (prior(state) − p(state)) · (1 − exp(−time / change))
//! p(state) ← p(state) · exp(evidence of the look for the state), scaled to a sum of 1
//! ```
//!
//! the forward algorithm (Rabiner 1989, <https://doi.org/10.1109/5.18626>).  Its first line is what forgets: however
//! long a mask was seen, evidence against it has to outweigh a bounded amount, and the other way round.  While nothing
//! can be said of the person, out of sight or unsure, evidence itself fades, in logarithms:
//!
//! ```text
//! p(state) ← p(state)^a · prior(state)^(1 − a), scaled to a sum of 1, with a = exp(−time / fade)
//! ```

use std::time::Duration;

use super::Reminder;
use crate::vision::{Face, Verdict};

/// Before anything is seen: covered, nose out, bare.  Whom a door sees is not known; the silent guess is.
const PRIOR: [f32; 3] = [0.6, 0.15, 0.25];

/// From this probability on a state is believed.
const CONVINCED: f32 = 0.99;

/// From this probability on there is no doubt left.
const CERTAIN: f32 = 0.999;

/// Evidence, in nats, that takes a prior of bare to [`CONVINCED`]: ln(99 · .75/.25), less what nose out adds.
const CONVINCING: f32 = 5.5;

/// A look that comes later after the one before than this adds no more: it is one picture all the same.  A frame at
/// the least rate, 3 a second, and some play.
const LONGEST_LOOK: Duration = Duration::from_millis(400);

/// Most evidence of one look, in nats, however impatient the settings are: `exp` of it must stay finite.
const MOST: f32 = 20.0;

/// How long somebody in view keeps what they wear, as a mean, in agreement times.  Long: what looks like a change is
/// seldom one.  It bounds what a state can gather: about 9 nats over the prior, as much as 1.7 agreement times bring.
const CHANGE: f32 = 1000.0;

/// The shortest of these means, seconds, however impatient the settings are.
const LEAST_CHANGE: f32 = 1.0;

/// Time constant with which evidence fades while nothing can be said: they may have put something on, or be somebody
/// else.
const FADE: Duration = Duration::from_secs(10);

/// Height of a face, pixels, from which on a look at it has its full weight: 60 of the face network's boxes, which are drawn
/// with 0.94 of their height.
const NEAR: f32 = 56.0;

/// Weight of a look at a face of no height, against one at [`NEAR`].
const FAR_WEIGHT: f32 = 0.2;

/// Face scores between which a look's weight rises from 0 to 1.  Of faces of 40 pixels and more 19 in 20 score 0.84 or
/// higher (bare ones 0.95); of what the face network takes for a face by mistake, most is below 0.6 and little above 0.9.
const FACE_SCORES: (f32, f32) = (0.6, 0.9);

/// Probabilities of the three states, in the order of [`PRIOR`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Belief([f32; 3]);

impl Default for Belief {
    fn default() -> Self {
        Self(PRIOR)
    }
}

impl Belief {
    /// Takes in a look, `since` the look before.  Clear looks convince in `agreement`.
    pub(super) fn look(&mut self, face: &Face, since: Duration, agreement: Duration) {
        let Some(state) = state(face.verdict) else { return };
        let time = since.min(LONGEST_LOOK).as_secs_f32();
        let share = time / agreement.as_secs_f32().max(f32::MIN_POSITIVE);
        let evidence = (CONVINCING * share).min(MOST) * weight(face);
        self.0[state] *= evidence.exp();
        self.scale();
    }

    /// Lets time pass between two looks, in which the person may have changed.
    pub(super) fn pass(&mut self, time: Duration, agreement: Duration) {
        let change = (CHANGE * agreement.as_secs_f32()).max(LEAST_CHANGE);
        let changed = 1.0 - (-time.as_secs_f32() / change).exp();
        for (p, prior) in self.0.iter_mut().zip(PRIOR) {
            *p += (prior - *p) * changed;
        }
    }

    /// Lets time pass in which nothing could be said.
    pub(super) fn fade(&mut self, time: Duration) {
        let kept = (-time.as_secs_f32() / FADE.as_secs_f32()).exp();
        for (p, prior) in self.0.iter_mut().zip(PRIOR) {
            *p = p.powf(kept) * prior.powf(1.0 - kept);
        }
        self.scale();
    }

    fn scale(&mut self) {
        let sum: f32 = self.0.iter().sum();
        self.0.iter_mut().for_each(|p| *p /= sum);
    }

    /// What this person is most likely to be reminded of.
    pub(super) fn likelier(&self) -> Reminder {
        if self.of(Reminder::Mask) >= self.of(Reminder::Nose) { Reminder::Mask } else { Reminder::Nose }
    }

    /// The probability of the state that calls for `reminder`.
    pub(super) fn of(&self, reminder: Reminder) -> f32 {
        match reminder {
            Reminder::Nose => self.0[1],
            Reminder::Mask => self.0[2],
        }
    }

    /// Whether the person surely is not covered, whichever of the two it is.
    pub(super) fn is_uncovered(&self) -> bool {
        self.0[1] + self.0[2] >= CONVINCED
    }

    /// Whether there is no doubt that the person is to be reminded of this.
    pub(super) fn is_certain_of(&self, reminder: Reminder) -> bool {
        self.of(reminder) >= CERTAIN
    }

    /// Whether the person surely wears a mask.
    pub(super) fn is_covered(&self) -> bool {
        self.0[0] >= CONVINCED
    }

    /// How ill `verdict` fits, 0 to 1.
    pub(super) fn surprise(&self, verdict: Verdict) -> f32 {
        state(verdict).map_or(0.0, |state| 1.0 - self.0[state])
    }
}

/// The state that a verdict shows; `Unsure` shows none.
const fn state(verdict: Verdict) -> Option<usize> {
    match verdict {
        Verdict::Covered => Some(0),
        Verdict::NoseOut => Some(1),
        Verdict::Bare => Some(2),
        Verdict::Unsure => None,
    }
}

/// How much a look at this face counts, 0 to 1: how sure its verdict is, that it is a face, and how near it is.
fn weight(face: &Face) -> f32 {
    let (mouth, nose) = (face.mouth.clamp(0.0, 1.0), face.nose.clamp(0.0, 1.0));
    // What is least sure of what makes the verdict.
    let probability = match face.verdict {
        Verdict::Covered => 1.0 - mouth.max(nose),
        Verdict::NoseOut => nose.min(1.0 - mouth),
        Verdict::Bare => mouth,
        Verdict::Unsure => 0.0,
    };
    let sure = (2.0 * probability - 1.0).clamp(0.0, 1.0);
    let (least, full) = FACE_SCORES;
    let real = ((face.score - least) / (full - least)).clamp(0.0, 1.0);
    let near = (face.bounds.height() / NEAR).clamp(0.0, 1.0);
    let weight = sure * real * (FAR_WEIGHT + (1.0 - FAR_WEIGHT) * near);
    // Scores that are no numbers say nothing.
    if weight.is_finite() { weight } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Rect;

    const SECOND: Duration = Duration::from_secs(1);

    fn face(verdict: Verdict, mouth: f32, nose: f32) -> Face {
        let bounds = Rect::centred(320.0, 240.0, 80.0, 100.0);
        Face {
            bounds,
            score: 0.9,
            mouth,
            nose,
            presence: 0.9,
            mouth_bounds: None,
            nose_bounds: None,
            verdict,
        }
    }

    fn close(a: f32, b: f32) -> bool {
        (a - b).abs() < 1e-4
    }

    #[test]
    fn a_look_counts_by_what_is_least_sure_of_it() {
        for (verdict, mouth, nose, expected) in [
            (Verdict::Covered, 0.1, 0.2, 0.6),
            (Verdict::Covered, 0.3, 0.1, 0.4),
            (Verdict::Covered, 0.5, 0.1, 0.0),
            (Verdict::NoseOut, 0.1, 0.85, 0.7),
            (Verdict::NoseOut, 0.3, 0.9, 0.4),
            (Verdict::NoseOut, 0.6, 0.9, 0.0),
            (Verdict::Bare, 0.75, 0.1, 0.5),
            (Verdict::Bare, 1.5, f32::NAN, 1.0),
            (Verdict::Bare, f32::NAN, 0.9, 0.0),
            (Verdict::Unsure, 0.0, 0.0, 0.0),
        ] {
            let weight = weight(&face(verdict, mouth, nose));
            assert!(close(weight, expected), "{verdict:?} {mouth} {nose}: {weight}");
        }
    }

    #[test]
    fn a_look_counts_by_the_face_as_well() {
        let sure = face(Verdict::Bare, 1.0, 1.0);
        for (height, score, expected) in [
            (56.0, 0.9, 1.0),
            (200.0, 1.0, 1.0),
            (28.0, 0.9, 0.6),
            (0.0, 0.9, 0.2),
            (56.0, 0.75, 0.5),
            (56.0, 0.6, 0.0),
            (56.0, 0.3, 0.0),
        ] {
            let bounds = Rect::centred(320.0, 240.0, 50.0, height);
            let weight = weight(&Face { bounds, score, ..sure });
            assert!(close(weight, expected), "{height} {score}: {weight}");
        }
    }

    #[test]
    fn an_agreement_time_of_clear_looks_convinces_and_half_of_it_does_not() {
        for (verdict, reminder) in [(Verdict::Bare, Reminder::Mask), (Verdict::NoseOut, Reminder::Nose)] {
            let mut belief = Belief::default();
            let look = face(verdict, if verdict == Verdict::Bare { 1.0 } else { 0.0 }, 1.0);
            for _ in 0..5 {
                belief.look(&look, SECOND / 10, SECOND);
            }
            assert!(!belief.is_uncovered() && belief.likelier() == reminder, "{belief:?}");
            for _ in 0..6 {
                belief.look(&look, SECOND / 10, SECOND);
            }
            assert!(belief.is_uncovered() && !belief.is_certain_of(reminder), "{belief:?}");
            for _ in 0..10 {
                belief.look(&look, SECOND / 10, SECOND);
            }
            assert!(belief.is_certain_of(reminder), "{belief:?}");
        }
    }

    #[test]
    fn a_look_that_comes_late_is_one_look() {
        let beliefs = [400, 401, 60_000].map(|wait| {
            let mut belief = Belief::default();
            belief.look(&face(Verdict::Bare, 1.0, 1.0), Duration::from_millis(wait), SECOND);
            belief
        });
        assert!(beliefs.iter().all(|belief| belief == &beliefs[0]), "{beliefs:?}");
    }

    #[test]
    fn what_was_seen_is_forgotten_in_minutes_in_view_and_fades_in_seconds_out_of_it() {
        let mut belief = Belief([0.0, 0.0, 1.0]);
        belief.pass(SECOND * 10, SECOND);
        assert!(close(belief.of(Reminder::Mask), 1.0 - 0.75 * (1.0 - (-0.01f32).exp())), "{belief:?}");
        // A time constant leaves 1/e of the evidence, in nats.
        let evidence = |belief: &Belief| (belief.0[0] / belief.0[2] * PRIOR[2] / PRIOR[0]).ln();
        let mut belief = Belief([0.98, 0.01, 0.01]);
        let before = evidence(&belief);
        belief.fade(FADE);
        assert!(close(evidence(&belief), before * (-1.0f32).exp()), "{belief:?}");
        assert!(close(belief.0.iter().sum(), 1.0), "{belief:?}");
        belief.fade(FADE * 1000);
        assert!(belief.0.iter().zip(PRIOR).all(|(p, prior)| close(*p, prior)), "{belief:?}");
        // However impatient: at least a second.
        let mut belief = Belief([0.0, 0.0, 1.0]);
        belief.pass(SECOND / 10, Duration::ZERO);
        assert!(belief.of(Reminder::Mask) > 0.9, "{belief:?}");
    }

    #[test]
    fn a_verdict_surprises_by_how_little_it_was_believed() {
        let belief = Belief([0.7, 0.1, 0.2]);
        assert!(close(belief.surprise(Verdict::Covered), 0.3));
        assert!(close(belief.surprise(Verdict::Bare), 0.8));
        assert!(close(belief.surprise(Verdict::Unsure), 0.0));
    }
}
