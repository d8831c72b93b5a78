//! What a model is asked: one text, many, or an iterator; and what it answers in the same form.

use engraft_data::{Examples, TokenRow};
use engraft_generate::Written;

use crate::error::{Error, Result};

/// A row that is asked: a text, two that belong together, or tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A text.
    Text(String),
    /// Two texts: the segments of a classifier, or what an encoder-decoder reads and what its answer begins with.
    Pair(String, String),
    /// Tokens, where there is no preprocessor.
    Tokens(TokenRow),
}

impl From<&str> for Input {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Input {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl<A: Into<String>, B: Into<String>> From<(A, B)> for Input {
    fn from((first, second): (A, B)) -> Self {
        Self::Pair(first.into(), second.into())
    }
}

impl From<TokenRow> for Input {
    fn from(row: TokenRow) -> Self {
        Self::Tokens(row)
    }
}

/// What can be asked.
pub trait Ask {
    /// What a language model gives for it: a text for a text, tokens for tokens.
    type Written;

    /// The row.
    ///
    /// # Errors
    /// An iterator's own.
    fn input(self) -> Result<Input>;

    /// What was written for it, with or without its prompt.
    fn written(written: Written, stripped: bool) -> Self::Written;
}

/// Texts are asked in whichever form they have.
macro_rules! texts {
    ($($text:ty),+) => {$(
        impl Ask for $text {
            type Written = String;

            fn input(self) -> Result<Input> {
                Ok(Input::Text(self.to_owned()))
            }

            fn written(written: Written, _stripped: bool) -> String {
                written.text
            }
        }
    )+};
}

texts!(&str, String, &String);

impl<A: Into<String>, B: Into<String>> Ask for (A, B) {
    type Written = String;

    fn input(self) -> Result<Input> {
        Ok(Input::Pair(self.0.into(), self.1.into()))
    }

    fn written(written: Written, _stripped: bool) -> String {
        written.text
    }
}

/// Tokens are answered by tokens.
macro_rules! tokens {
    ($($tokens:ty),+) => {$(
        impl Ask for $tokens {
            type Written = Vec<u32>;

            fn input(self) -> Result<Input> {
                Ok(Input::Tokens(self.into()))
            }

            fn written(written: Written, stripped: bool) -> Vec<u32> {
                if stripped {
                    written.new_ids().to_vec()
                } else {
                    written.ids
                }
            }
        }
    )+};
}

tokens!(TokenRow, Vec<u32>);

impl Ask for Input {
    type Written = String;

    fn input(self) -> Result<Input> {
        Ok(self)
    }

    fn written(written: Written, _stripped: bool) -> String {
        written.text
    }
}

/// A row that an iterator may fail to give.
impl<T: Ask, E: Into<Box<dyn std::error::Error + Send + Sync>>> Ask for std::result::Result<T, E> {
    type Written = T::Written;

    fn input(self) -> Result<Input> {
        match self {
            Ok(asked) => asked.input(),
            Err(error) => Err(Error::Argument(error.into().to_string())),
        }
    }

    fn written(written: Written, stripped: bool) -> T::Written {
        T::written(written, stripped)
    }
}

/// Many rows.
pub trait Many {
    /// One of them.
    type Item: Ask;

    /// All of them, in order.
    fn many(self) -> Vec<Self::Item>;
}

impl<T: Ask> Many for Vec<T> {
    type Item = T;

    fn many(self) -> Vec<T> {
        self
    }
}

impl<T: Ask, const N: usize> Many for [T; N] {
    type Item = T;

    fn many(self) -> Vec<T> {
        self.into()
    }
}

impl<T: Ask + Clone> Many for &[T] {
    type Item = T;

    fn many(self) -> Vec<T> {
        self.to_vec()
    }
}

impl<T: Ask + Clone> Many for &Vec<T> {
    type Item = T;

    fn many(self) -> Vec<T> {
        self.clone()
    }
}

impl<T: Ask + Clone, const N: usize> Many for &[T; N] {
    type Item = T;

    fn many(self) -> Vec<T> {
        self.to_vec()
    }
}

/// An iterator whose rows are asked as they come, a batch at a time, and answered as an iterator.
///
/// ```
/// use engraft::prelude::*;
///
/// let embedder = TextEmbedder::from_preset("sapiens_vh")?.build()?;
/// let lines = "EVQLVESGGG\nQVQLVQSGAE".lines();
/// for vectors in embedder.predict(Each(lines))? {
///     assert_eq!(vectors?[0].len(), 128);
/// }
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Each<I>(pub I);

/// Rows that an iterator gives at a time.
const AT_ONCE: usize = 32;

/// What a model is asked: one row, many, or [`Each`] of an iterator.
pub trait Question {
    /// A row of it.
    type Item: Ask;

    /// What is answered where each row has an answer `P`: one, as many, or an iterator.
    type Answer<'m, P>
    where
        Self: 'm,
        P: 'm;

    /// The answer, where `answer` answers many rows at once, told how many there were before them.
    ///
    /// # Errors
    /// Its own, and those of an iterator.
    fn answered<'m, P: 'm>(
        self,
        answer: impl FnMut(usize, Vec<Input>) -> Result<Vec<P>> + 'm,
    ) -> Result<Self::Answer<'m, P>>
    where
        Self: 'm;
}

impl<M: Many> Question for M {
    type Item = M::Item;
    type Answer<'m, P>
        = Vec<P>
    where
        Self: 'm,
        P: 'm;

    fn answered<'m, P: 'm>(
        self,
        mut answer: impl FnMut(usize, Vec<Input>) -> Result<Vec<P>> + 'm,
    ) -> Result<Vec<P>>
    where
        Self: 'm,
    {
        let rows = self.many().into_iter().map(Ask::input);
        answer(0, rows.collect::<Result<_>>()?)
    }
}

/// One row is answered by one answer.
macro_rules! one {
    ($([$($generics:tt)*] $row:ty;)+) => {$(
        impl<$($generics)*> Question for $row {
            type Item = $row;
            type Answer<'m, P> = P where Self: 'm, P: 'm;

            fn answered<'m, P: 'm>(
                self,
                mut answer: impl FnMut(usize, Vec<Input>) -> Result<Vec<P>> + 'm,
            ) -> Result<P>
            where
                Self: 'm,
            {
                only(answer(0, vec![self.input()?])?)
            }
        }
    )+};
}

one! {
    ['t] &'t str;
    [] String;
    ['t] &'t String;
    [] TokenRow;
    [] Vec<u32>;
    [] Input;
    [A: Into<String>, B: Into<String>] (A, B);
}

/// The answer to one row.
fn only<P>(answers: Vec<P>) -> Result<P> {
    let [answer] = <[P; 1]>::try_from(answers).map_err(|answers: Vec<P>| {
        let count = answers.len();
        Error::Argument(format!(
            "one row has {count} answers: ask for it in a list, as [text], which is answered by a list"
        ))
    })?;
    Ok(answer)
}

impl<I: Iterator<Item: Ask>> Question for Each<I> {
    type Item = I::Item;
    type Answer<'m, P>
        = Box<dyn Iterator<Item = Result<P>> + 'm>
    where
        Self: 'm,
        P: 'm;

    fn answered<'m, P: 'm>(
        self,
        answer: impl FnMut(usize, Vec<Input>) -> Result<Vec<P>> + 'm,
    ) -> Result<Self::Answer<'m, P>>
    where
        Self: 'm,
    {
        Ok(Box::new(Answers {
            rows: self.0,
            answer,
            asked: 0,
            ready: Vec::new().into_iter(),
            failed: None,
            is_over: false,
        }))
    }
}

/// Answers as they come: those of all rows before the first that has none, and then its error.
struct Answers<I, F, P> {
    rows: I,
    answer: F,
    /// Rows that were asked.
    asked: usize,
    ready: std::vec::IntoIter<P>,
    failed: Option<Error>,
    is_over: bool,
}

impl<I, F, P> Answers<I, F, P>
where
    I: Iterator<Item: Ask>,
    F: FnMut(usize, Vec<Input>) -> Result<Vec<P>>,
{
    /// Asks the next rows, up to one that the iterator fails to give.
    fn ask(&mut self) {
        let mut rows = Vec::new();
        while rows.len() < AT_ONCE && !self.is_over {
            match self.rows.next().map(Ask::input) {
                Some(Ok(row)) => rows.push(row),
                Some(Err(error)) => self.fail(error),
                None => self.is_over = true,
            }
        }
        let first = self.asked;
        self.asked += rows.len();
        if rows.is_empty() {
            return;
        }
        let answers = match (self.answer)(first, rows.clone()) {
            Ok(answers) => answers,
            Err(Error::Stopped) => return self.fail(Error::Stopped),
            // Of rows that are asked together none is answered if one cannot be.
            Err(_) => self.ask_apart(first, rows),
        };
        self.ready = answers.into_iter();
    }

    /// Asks one row after the other, up to the first that has no answer.
    fn ask_apart(&mut self, first: usize, rows: Vec<Input>) -> Vec<P> {
        let mut answers = Vec::new();
        for (number, row) in (first..).zip(rows) {
            match (self.answer)(number, vec![row]) {
                Ok(of_row) => answers.extend(of_row),
                Err(error) => {
                    self.fail(error);
                    break;
                }
            }
        }
        answers
    }

    fn fail(&mut self, error: Error) {
        self.failed = Some(error);
        self.is_over = true;
    }
}

impl<I, F, P> Iterator for Answers<I, F, P>
where
    I: Iterator<Item: Ask>,
    F: FnMut(usize, Vec<Input>) -> Result<Vec<P>>,
{
    type Item = Result<P>;

    fn next(&mut self) -> Option<Result<P>> {
        loop {
            if let Some(answer) = self.ready.next() {
                return Some(Ok(answer));
            }
            if self.is_over {
                return self.failed.take().map(Err);
            }
            self.ask();
        }
    }
}

/// Rows of one kind as examples, of which `before` came before them.
///
/// # Errors
/// Some are texts and others pairs or tokens.
pub(crate) fn examples_of(before: usize, inputs: Vec<Input>) -> Result<Examples> {
    let mut examples = unnumbered(inputs)?;
    for origin in &mut examples.origins {
        origin.line += before as u64;
    }
    Ok(examples)
}

fn unnumbered(inputs: Vec<Input>) -> Result<Examples> {
    let mixed = || {
        Error::Argument("some rows are one text and others two, or tokens: ask them apart".into())
    };
    match inputs.first() {
        None | Some(Input::Text(_)) => {
            let texts = inputs.into_iter().map(|input| match input {
                Input::Text(text) => Ok(text),
                _ => Err(mixed()),
            });
            Ok(Examples::from_texts(texts.collect::<Result<Vec<_>>>()?))
        }
        Some(Input::Pair(..)) => {
            let pairs = inputs.into_iter().map(|input| match input {
                Input::Pair(first, second) => Ok((first, second)),
                _ => Err(mixed()),
            });
            let (first, second): (Vec<_>, Vec<_>) =
                pairs.collect::<Result<Vec<_>>>()?.into_iter().unzip();
            Ok(Examples::from_texts(first).paired_with(second)?)
        }
        Some(Input::Tokens(_)) => {
            let rows = inputs.into_iter().map(|input| match input {
                Input::Tokens(row) => Ok(row),
                _ => Err(mixed()),
            });
            Ok(Examples::from_tokens(rows.collect::<Result<Vec<_>>>()?))
        }
    }
}
