//! Tensors that are put together from numbers lying elsewhere: turned, side by side, or only partly there.

use std::ops::Range;

/// Rows and columns that are turned at a time, so that both sides stay in the processor's cache.
const TILE: usize = 32;

/// Numbers of an array: from the one numbered `start`, along each dimension so many apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) start: usize,
    pub(crate) strides: Vec<usize>,
}

impl View {
    /// All numbers of an array of this shape, row by row.
    pub(crate) fn whole(shape: &[usize]) -> Self {
        let mut strides = vec![1; shape.len()];
        for at in (1..shape.len()).rev() {
            strides[at - 1] = strides[at] * shape[at];
        }
        Self { start: 0, strides }
    }
}

/// Numbers of one array that are numbers of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Move {
    pub(crate) shape: Vec<usize>,
    pub(crate) from: View,
    pub(crate) to: View,
}

/// What a file holds of a tensor.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    /// The number of the file.
    pub(crate) file: usize,
    /// The array within it.
    pub(crate) bytes: Range<usize>,
    pub(crate) moved: Move,
}

impl Move {
    /// Whether it is the whole of both arrays, where the second has `shape`, and their numbers lie in the same order.
    pub(crate) fn is_same(&self, shape: &[usize], count: usize) -> bool {
        self.from == self.to
            && self.from == View::whole(&self.shape)
            && self.shape.iter().product::<usize>() == count
            && shape.iter().product::<usize>() == count
    }

    /// The way back. The dimension along which its source's numbers are neighbours is the last again.
    pub(crate) fn back(&self) -> Self {
        let mut dimensions: Vec<usize> = (0..self.shape.len()).collect();
        dimensions.sort_by_key(|at| std::cmp::Reverse(self.to.strides[*at]));
        let pick = |of: &[usize]| dimensions.iter().map(|at| of[*at]).collect();
        let view = |view: &View| View {
            start: view.start,
            strides: pick(&view.strides),
        };
        Self {
            shape: pick(&self.shape),
            from: view(&self.to),
            to: view(&self.from),
        }
    }

    /// Puts the numbers, `size` bytes each, where they belong.
    pub(crate) fn carry(&self, source: &[u8], target: &mut [u8], size: usize) {
        match size {
            1 => self.carry_all::<1>(source, target),
            2 => self.carry_all::<2>(source, target),
            4 => self.carry_all::<4>(source, target),
            _ => self.carry_all::<8>(source, target),
        }
    }

    fn carry_all<const SIZE: usize>(&self, source: &[u8], target: &mut [u8]) {
        let (source, target) = (
            source.as_chunks::<SIZE>().0,
            target.as_chunks_mut::<SIZE>().0,
        );
        let Some(inner) = self.shape.len().checked_sub(1) else {
            target[self.to.start] = source[self.from.start];
            return;
        };
        // The dimension along which the target's numbers are neighbours: it is turned against the last, along which the source's are.
        let across = self.to.strides.iter().position(|stride| *stride == 1);
        let across = across.filter(|across| *across != inner);
        let outer: Vec<usize> = (0..inner).filter(|at| Some(*at) != across).collect();
        let count = outer.iter().map(|at| self.shape[*at]).product();
        for number in 0..count {
            let (mut from, mut to) = (self.from.start, self.to.start);
            let mut rest: usize = number;
            for &at in outer.iter().rev() {
                let index = rest % self.shape[at];
                rest /= self.shape[at];
                from += index * self.from.strides[at];
                to += index * self.to.strides[at];
            }
            self.carry_plane(source, target, [from, to], across, inner);
        }
    }

    /// Puts those along one or two dimensions where they belong.
    fn carry_plane<T: Copy>(
        &self,
        source: &[T],
        target: &mut [T],
        [from, to]: [usize; 2],
        across: Option<usize>,
        inner: usize,
    ) {
        let (columns, out, into) = (
            self.shape[inner],
            self.from.strides[inner],
            self.to.strides[inner],
        );
        let Some(across) = across else {
            if out == 1 && into == 1 {
                target[to..to + columns].copy_from_slice(&source[from..from + columns]);
            } else {
                for column in 0..columns {
                    target[to + column * into] = source[from + column * out];
                }
            }
            return;
        };
        let (rows, step) = (self.shape[across], self.from.strides[across]);
        for first_row in (0..rows).step_by(TILE) {
            for first in (0..columns).step_by(TILE) {
                for row in first_row..rows.min(first_row + TILE) {
                    for column in first..columns.min(first + TILE) {
                        target[to + row + column * into] = source[from + row * step + column * out];
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn carried(moved: &Move, source: &[u16], length: usize) -> Vec<u16> {
        let source: Vec<u8> = source.iter().flat_map(|n| n.to_le_bytes()).collect();
        let mut target = vec![0; length * 2];
        moved.carry(&source, &mut target, 2);
        let numbers = target.as_chunks().0.iter();
        numbers.map(|bytes| u16::from_le_bytes(*bytes)).collect()
    }

    #[test]
    fn a_matrix_is_turned_whatever_its_size() {
        for (rows, columns) in [(2, 3), (1, 40), (40, 1), (70, 33)] {
            let source: Vec<u16> = (0..(rows * columns) as u16).collect();
            let moved = Move {
                shape: vec![rows, columns],
                from: View::whole(&[rows, columns]),
                to: View {
                    start: 0,
                    strides: vec![1, rows],
                },
            };
            let turned = carried(&moved, &source, rows * columns);
            for row in 0..rows {
                for column in 0..columns {
                    assert_eq!(turned[column * rows + row], source[row * columns + column]);
                }
            }
        }
    }

    #[test]
    fn parts_lie_beside_each_other_and_the_rest_stays_zero() {
        // Heads (2, hidden 2, dim 2) as rows 1.. of a matrix of 5 rows.
        let moved = Move {
            shape: vec![2, 2, 2],
            from: View::whole(&[2, 2, 2]),
            to: View {
                start: 2,
                strides: vec![4, 1, 2],
            },
        };
        let source: Vec<u16> = (1..9).collect();
        assert_eq!(carried(&moved, &source, 10), [0, 0, 1, 3, 2, 4, 5, 7, 6, 8]);
        assert!(!moved.is_same(&[5, 2], 8));
        let same = Move {
            shape: vec![2, 4],
            from: View::whole(&[2, 4]),
            to: View::whole(&[2, 4]),
        };
        assert!(same.is_same(&[8], 8) && !same.is_same(&[3, 4], 8));
        assert_eq!(carried(&same, &source, 8), source);
    }

    #[test]
    fn a_single_number_is_carried() {
        let moved = Move {
            shape: vec![],
            from: View::whole(&[]),
            to: View {
                start: 1,
                strides: vec![],
            },
        };
        assert_eq!(carried(&moved, &[7], 2), [0, 7]);
    }
}
