//! A smaller model that drafts tokens for many texts at a time.

use rayon::prelude::*;

use super::speculative::Drafted;
use crate::batch::Request;
use crate::error::Result;
use crate::model::LanguageModel;
use crate::reader::{Reader, Wants, outputs};

#[derive(Debug)]
pub(crate) struct Drafts<'m> {
    pub(crate) reader: Reader<'m>,
}

impl<'m> Drafts<'m> {
    /// By `model`, with room for `slots` texts at first.
    pub(crate) fn by(model: &'m LanguageModel, slots: usize) -> Self {
        Self {
            reader: Reader::new(model, slots, true),
        }
    }

    /// Drafts what may follow each text, for `model` to read at once.
    ///
    /// # Errors
    /// Logits that are no numbers.
    pub(crate) fn draft(
        &mut self,
        model: &LanguageModel,
        mut texts: Vec<(&Request, &mut Drafted)>,
    ) -> Result<()> {
        for (_, text) in &mut texts {
            text.begin();
        }
        let mut going: Vec<(usize, &Request, &mut Drafted)> = texts
            .into_iter()
            .map(|(request, text)| (self.room(model, request, text), request, text))
            .filter(|(room, ..)| *room > 0)
            .collect();
        while !going.is_empty() {
            let lanes: Vec<_> = going.iter().map(|(.., text)| text.drafting()).collect();
            let mut readings = self.reader.read(&lanes);
            let wants = vec![Wants::NEXT; lanes.len()];
            let vocabulary = self.reader.model.config().vocabulary;
            let logits = outputs(&mut readings, &wants, vocabulary);
            let drafted =
                going
                    .par_iter_mut()
                    .zip(logits)
                    .map(|((room, request, text), output)| {
                        *room -= 1;
                        Ok(text.propose(request, output.logits)? && *room > 0)
                    });
            let more: Vec<bool> = drafted.collect::<Result<_>>()?;
            let mut more = more.into_iter();
            going.retain(|_| more.next().unwrap_or(false));
        }
        Ok(())
    }

    /// How many tokens are to be drafted: one more follows what is accepted. Neither model reads past its positions, nor past where
    /// its keys would have to be computed anew.
    fn room(&self, model: &LanguageModel, request: &Request, text: &Drafted) -> usize {
        let length = text.line.tokens.len();
        let left = request.limits.max_new - text.line.new_tokens(request);
        let most = text.count.min(left.saturating_sub(1));
        let drafter = self.reader.model;
        let positions = drafter.config().longest().unwrap_or(usize::MAX);
        let fits = |more: &usize| {
            let length = length + more;
            length - 1 <= positions
                && !model.reads_anew_at(length)
                && !drafter.reads_anew_at(length)
        };
        (1..=most).take_while(fits).count()
    }
}
