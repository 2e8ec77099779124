//! The facts of an interaction, packed into one word.

/// The facts of an interaction beside id, time and propensity, packed into one word.
///
/// From the lowest bit: 8 of flags, the low 8 of the arm, 40 of its own reward in Q16, and above
/// those the high 7 of the arm, each of them turned over where the reward is below zero, and the
/// reward's sign. So a word of an arm below 256 is the reward, its sign spread over the top 48
/// bits, behind arm and flags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(transparent)]
pub struct Contact(pub u64);

impl Contact {
    /// It came with its own reward.
    pub const REWARDED: u64 = 1;
    /// An [`Aside::Attachment`](super::Aside::Attachment) of the same id and place goes with it
    /// (features, template or decision of its own).
    pub const ATTACHED: u64 = 2;
    /// How many arms can be told apart: as many as a smallint counts.
    pub const MAX_ARMS: usize = i16::MAX as usize;
    /// Bits of a reward without its sign.
    const REWARD_BITS: u32 = 40;

    /// Packs an interaction; `reward` in Q16, `None` while unknown.
    #[inline]
    pub fn new(arm: u16, reward: Option<i64>, attached: bool) -> Self {
        let flags = if reward.is_some() { Self::REWARDED } else { 0 }
            | if attached { Self::ATTACHED } else { 0 };
        let reward = reward.unwrap_or(0);
        debug_assert!(
            usize::from(arm) < Self::MAX_ARMS && reward.unsigned_abs() < 1 << Self::REWARD_BITS,
            "arm {arm}, reward {reward}"
        );
        let arm = u64::from(arm);
        Contact((reward << 16) as u64 ^ arm >> 8 << 56 | (arm & 255) << 8 | flags)
    }

    /// The arm that was played.
    #[inline]
    pub fn arm(self) -> u16 {
        let high = (self.0 ^ self.sign()) >> 56 & 127;
        (high << 8 | self.0 >> 8 & 255) as u16
    }

    /// Its own reward in Q16.
    #[inline]
    pub fn reward(self) -> Option<i64> {
        let magnitude = self.0 >> 16 & ((1 << Self::REWARD_BITS) - 1);
        (self.0 & Self::REWARDED != 0)
            .then_some((magnitude | self.sign() << Self::REWARD_BITS) as i64)
    }

    /// All bits where the reward is below zero, none else.
    #[inline]
    fn sign(self) -> u64 {
        (self.0 as i64 >> 63) as u64
    }

    /// Whether an attachment goes with it.
    #[inline]
    pub fn attached(self) -> bool {
        self.0 & Self::ATTACHED != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten million in Q16, the greatest reward.
    const MOST: i64 = 655_360_000_000;

    #[test]
    fn what_is_packed_comes_out_again() {
        for arm in [0, 1, 127, 128, 255, 256, 511, 16_384, Contact::MAX_ARMS as u16 - 1] {
            for reward in [None, Some(0), Some(1), Some(-1), Some(65_536), Some(MOST), Some(-MOST)]
            {
                for attached in [false, true] {
                    let contact = Contact::new(arm, reward, attached);
                    assert_eq!(
                        (contact.arm(), contact.reward(), contact.attached()),
                        (arm, reward, attached)
                    );
                }
            }
        }
    }

    /// Snapshots hold words that were packed when an arm had one byte and the reward the rest.
    #[test]
    fn words_of_few_arms_are_what_they_always_were() {
        for arm in [0, 3, 255] {
            for reward in [None, Some(0), Some(7), Some(-7), Some(MOST), Some(-MOST)] {
                let flags = u64::from(reward.is_some()) | Contact::ATTACHED;
                let word = (reward.unwrap_or(0) << 16) as u64 | u64::from(arm) << 8 | flags;
                assert_eq!(Contact::new(arm, reward, true), Contact(word));
            }
        }
    }
}
