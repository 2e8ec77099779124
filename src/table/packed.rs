//! Rows as they are held in memory: a length takes one byte for nearly every value, and an array
//! only the bytes of its elements.

use dataflows::table::{Column, ColumnType};

/// A row's values, each as its bytes; `None`: NULL.
pub type Values<'a> = Vec<Option<&'a [u8]>>;

/// The values of a row: each behind its length, which is negative for NULL.
pub fn values(row: &[u8]) -> Values<'_> {
    let mut values = Vec::new();
    let mut rest = row;
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length = usize::try_from(i32::from_be_bytes(*length)).ok();
        let (value, after) = after.split_at(length.unwrap_or(0).min(after.len()));
        values.push(length.map(|_| value));
        rest = after;
    }
    values
}

/// A row of these columns, packed.
pub fn pack(columns: &[Column], values: &Values<'_>) -> Box<[u8]> {
    let mut out = Vec::new();
    for (column, value) in columns.iter().zip(values) {
        match (column.kind, value) {
            (ColumnType::Smallints, Some(value)) => push(&mut out, Some(&elements::<2>(value))),
            (ColumnType::Float8s, Some(value)) => push(&mut out, Some(&elements::<8>(value))),
            (_, value) => push(&mut out, *value),
        }
    }
    out.into_boxed_slice()
}

/// Packed values, out of values that are as in packed rows.
pub fn join<'a>(values: impl Iterator<Item = Option<&'a [u8]>>) -> Box<[u8]> {
    let mut out = Vec::new();
    values.for_each(|value| push(&mut out, value));
    out.into_boxed_slice()
}

/// A length of less than 254 takes a byte; 255 says NULL.
fn push(out: &mut Vec<u8>, value: Option<&[u8]>) {
    match value {
        None => out.push(255),
        Some(value) => {
            if value.len() < 254 {
                out.push(value.len() as u8);
            } else {
                out.push(254);
                out.extend_from_slice(&(value.len() as u32).to_be_bytes());
            }
            out.extend_from_slice(value);
        }
    }
}

/// The values of a packed row; arrays as the bytes of their elements behind the byte 1, or as they
/// came behind 0.
pub fn unpack(packed: &[u8]) -> impl Iterator<Item = Option<&[u8]>> {
    let mut rest = packed;
    std::iter::from_fn(move || {
        let (&first, after) = rest.split_first()?;
        let (length, after) = match first {
            255 => {
                rest = after;
                return Some(None);
            }
            254 => {
                let (length, after) = after.split_first_chunk::<4>()?;
                (u32::from_be_bytes(*length) as usize, after)
            }
            length => (usize::from(length), after),
        };
        let (value, after) = after.split_at_checked(length)?;
        rest = after;
        Some(Some(value))
    })
}

/// Bytes before the elements of an array of one dimension: dimensions, whether there are NULLs,
/// type, length, first index.
pub const ARRAY_HEADER: usize = 20;

/// The elements of an array of one dimension, from index 1 and without NULL; anything else as it
/// came.
fn elements<const N: usize>(array: &[u8]) -> Vec<u8> {
    let word = |place: usize| {
        array
            .get(place * 4..place * 4 + 4)
            .map(|bytes| u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    };
    let is_plain = (word(0), word(1), word(4)) == (Some(1), Some(0), Some(1));
    let whole = word(3).is_some_and(|count| array.len() == ARRAY_HEADER + count as usize * (4 + N));
    let mut out = Vec::with_capacity(array.len());
    if is_plain && whole {
        out.push(1);
        array[ARRAY_HEADER..]
            .chunks_exact(4 + N)
            .for_each(|element| out.extend_from_slice(&element[4..]));
    } else {
        out.push(0);
        out.extend_from_slice(array);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::encode::CopyBuffer;

    #[test]
    fn arrays_that_nobody_here_writes_are_told_apart() {
        let plain = values_of(&[1, 2]);
        let mut from_zero = plain.clone();
        from_zero[ARRAY_HEADER - 1] = 0;
        assert_ne!(elements::<2>(&plain), elements::<2>(&from_zero));
        assert_eq!(elements::<2>(&plain), [1, 0, 1, 0, 2]);
    }

    fn values_of(array: &[i16]) -> Vec<u8> {
        let mut buffer = CopyBuffer::default();
        buffer.row(1);
        buffer.smallints(array);
        let row = buffer.each_row().next().expect("a row");
        values(row)[0].expect("an array").to_vec()
    }
}
