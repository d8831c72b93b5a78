//! Numbers of batches: a count, or a share of those there are.

use engraft_component::{Context, FromNode, Kind, Node, Refusal};

/// A count of batches, or a share of an epoch's: `10` are ten, `1.0` are all.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Amount {
    /// So many.
    Count(u64),
    /// This share of all, from 0 to 1.
    Fraction(f64),
}

impl Amount {
    /// All there are.
    pub const ALL: Self = Self::Fraction(1.0);

    /// How many of `all` this is: no more than there are, and at least one of a share above zero.
    pub fn of(self, all: u64) -> u64 {
        match self {
            Self::Count(count) => count.min(all),
            Self::Fraction(share) if share > 0.0 => ((all as f64 * share) as u64).max(1).min(all),
            Self::Fraction(_) => 0,
        }
    }
}

impl FromNode for Amount {
    fn from_node(node: &Node, cx: &mut Context) -> Result<Self, Refusal> {
        let wanted = "a whole number of batches, or a share of them from 0.0 to 1.0";
        let text = node.as_text().ok_or_else(|| cx.expected(node, wanted))?;
        let amount = if text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'_')
        {
            u64::from_node(node, cx).ok().map(Self::Count)
        } else {
            let share = f64::from_node(node, cx).ok();
            share
                .filter(|share| (0.0..=1.0).contains(share))
                .map(Self::Fraction)
        };
        amount.ok_or_else(|| cx.expected(node, wanted))
    }

    fn to_node(&self) -> Node {
        match self {
            Self::Count(count) => count.to_node(),
            Self::Fraction(share) => share.to_node(),
        }
    }

    fn kind() -> Kind {
        Kind::OneOf(vec![u64::kind(), f64::kind()])
    }
}

/// A rehearsal of a run: so many batches of each stage, once, with nothing kept. Zero is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FastDevRun(pub u64);

impl FromNode for FastDevRun {
    fn from_node(node: &Node, cx: &mut Context) -> Result<Self, Refusal> {
        if let Ok(on) = bool::from_node(node, cx) {
            return Ok(Self(u64::from(on)));
        }
        let batches = u64::from_node(node, cx);
        batches
            .map(Self)
            .map_err(|_| cx.expected(node, "true, false or a number of batches"))
    }

    fn to_node(&self) -> Node {
        match self.0 {
            0 | 1 => (self.0 == 1).to_node(),
            batches => batches.to_node(),
        }
    }

    fn kind() -> Kind {
        Kind::OneOf(vec![bool::kind(), u64::kind()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: FromNode>(text: &str) -> Result<T, String> {
        T::from_node(&Node::plain(text), &mut Context::new()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_whole_number_is_a_count_and_one_with_a_point_a_share() {
        assert_eq!(read("10"), Ok(Amount::Count(10)));
        assert_eq!(read("1"), Ok(Amount::Count(1)));
        assert_eq!(read("1.0"), Ok(Amount::ALL));
        assert_eq!(read("1e-1"), Ok(Amount::Fraction(0.1)));
        for text in [
            "1.5",
            "-1",
            "-0.5",
            "ten",
            "null",
            "nan",
            "99999999999999999999",
        ] {
            let error = read::<Amount>(text).unwrap_err();
            assert!(error.contains("share of them from 0.0 to 1.0"), "{error}");
        }
    }

    #[test]
    fn an_amount_is_written_so_that_it_reads_back_the_same() {
        for amount in [
            Amount::Count(0),
            Amount::Count(1),
            Amount::ALL,
            Amount::Fraction(1e-5),
        ] {
            assert_eq!(
                Amount::from_node(&amount.to_node(), &mut Context::new()),
                Ok(amount)
            );
        }
        for run in [0, 1, 2, 7].map(FastDevRun) {
            assert_eq!(
                FastDevRun::from_node(&run.to_node(), &mut Context::new()),
                Ok(run)
            );
        }
    }

    #[test]
    fn a_share_is_rounded_down_but_never_to_nothing() {
        assert_eq!(Amount::Fraction(0.25).of(10), 2);
        assert_eq!(Amount::Fraction(0.01).of(10), 1);
        assert_eq!(Amount::Fraction(0.0).of(10), 0);
        assert_eq!(Amount::Fraction(0.5).of(0), 0);
        assert_eq!(Amount::ALL.of(10), 10);
        assert_eq!(Amount::Count(3).of(10), 3);
        assert_eq!(Amount::Count(30).of(10), 10);
        assert_eq!(Amount::Count(0).of(10), 0);
    }

    #[test]
    fn a_rehearsal_is_a_flag_or_a_number() {
        assert_eq!(read("true"), Ok(FastDevRun(1)));
        assert_eq!(read("False"), Ok(FastDevRun(0)));
        assert_eq!(read("5"), Ok(FastDevRun(5)));
        assert!(
            read::<FastDevRun>("often")
                .unwrap_err()
                .contains("a number of batches")
        );
    }
}
