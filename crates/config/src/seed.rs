//! The `seed_everything` of an experiment.

use std::hash::{BuildHasher, RandomState};

use engraft_component::{Context, FromNode, Kind, Node, Refusal};

/// What every random draw of a run goes back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seed {
    /// This number; `true` is 0.
    Fixed(u64),
    /// `false`: another one each time.
    Fresh,
}

impl Seed {
    /// The number, drawn now if the user left it open.
    ///
    /// A drawn one is small enough to be typed again.
    pub fn number(self) -> u64 {
        match self {
            Self::Fixed(number) => number,
            // The standard library seeds its hash maps from the system's random numbers.
            Self::Fresh => RandomState::new().hash_one("seed") >> 32,
        }
    }
}

impl Default for Seed {
    fn default() -> Self {
        Self::Fixed(0)
    }
}

impl FromNode for Seed {
    fn from_node(node: &Node, cx: &mut Context) -> Result<Self, Refusal> {
        let number = u64::from_node(node, cx).map(Self::Fixed);
        let flag = |_| {
            bool::from_node(node, cx).map(|is_fixed| {
                if is_fixed {
                    Self::Fixed(0)
                } else {
                    Self::Fresh
                }
            })
        };
        let wanted = "a whole number, true (which is 0) or false (a new seed for each run)";
        number.or_else(flag).map_err(|_| cx.expected(node, wanted))
    }

    fn to_node(&self) -> Node {
        match self {
            Self::Fixed(number) => number.to_node(),
            Self::Fresh => false.to_node(),
        }
    }

    fn kind() -> Kind {
        Kind::OneOf(vec![bool::kind(), u64::kind()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Seed, String> {
        Seed::from_node(&Node::plain(text), &mut Context::new()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_seed_is_a_number_or_a_flag() {
        assert_eq!(read("42"), Ok(Seed::Fixed(42)));
        assert_eq!(read("0"), Ok(Seed::Fixed(0)));
        assert_eq!(read("true"), Ok(Seed::Fixed(0)));
        assert_eq!(read("False"), Ok(Seed::Fresh));
        for text in ["-1", "1.5", "abc", "null"] {
            let error = read(text).unwrap_err();
            assert!(error.contains("expected a whole number, true"), "{error}");
        }
    }

    #[test]
    fn a_seed_left_open_differs_from_draw_to_draw() {
        let draws: Vec<u64> = (0..8).map(|_| Seed::Fresh.number()).collect();
        assert!(draws.iter().any(|draw| *draw != draws[0]), "{draws:?}");
        assert!(draws.iter().all(|draw| *draw <= u64::from(u32::MAX)));
        assert_eq!(Seed::Fixed(7).number(), 7);
    }

    #[test]
    fn a_seed_is_written_so_that_it_reads_back_the_same() {
        for seed in [Seed::Fixed(0), Seed::Fixed(u64::MAX), Seed::Fresh] {
            assert_eq!(
                Seed::from_node(&seed.to_node(), &mut Context::new()),
                Ok(seed)
            );
        }
    }
}
