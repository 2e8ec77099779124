//! Mixing of 64 bits, as SplitMix64 does it (Steele, Lea and Flood 2014). Frozen: hashes that are
//! kept and draws that are repeated are made by it.

/// What the generator adds to its state in a step.
pub const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// Its finalizer: a bijection in which each bit of the input moves about half of the output's.
#[inline]
pub fn mixed(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// What one step of the generator gives from a state.
#[inline]
pub fn step(state: u64) -> u64 {
    mixed(state.wrapping_add(GOLDEN))
}
