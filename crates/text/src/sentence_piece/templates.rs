//! The special tokens that families put around a text, or two.

use serde_json::{Map, Value};

use super::family::Family;
use super::names::Names;
use super::segmenter::Segmenter;
use crate::Result;
use crate::letters::present_steps;
use crate::special::{Declared, Role, Step, template};
use crate::wordpiece::flag;

impl Family {
    /// What is put around a text, or two.
    pub(super) fn template(
        self,
        names: &Names,
        segmenter: &Segmenter,
        declared: &Declared,
        settings: &Map<String, Value>,
    ) -> Result<Option<Value>> {
        use Step::{First, Second};
        let step = |role| {
            let token = declared.token(role)?;
            Some(Step::Token(token, names.id(token, segmenter)?))
        };
        let if_set = |key, usual, role| -> Result<Option<Step<'_>>> {
            let set = flag(settings, key)?.unwrap_or(usual);
            Ok(set.then(|| step(role)).flatten())
        };
        let (cls, sep) = (step(Role::Cls), step(Role::Sep));
        // Each step with its type in a row of one text, then those that follow for two.
        type Steps<'a> = Vec<(Option<Step<'a>>, u32)>;
        let (single, pair): (Steps<'_>, Steps<'_>) = match self {
            // Those that are given a language have it around a text.
            Family::Plain | Family::Translating(_) => return Ok(None),
            Family::Albert | Family::DebertaV2 | Family::Fnet => {
                let single = vec![(cls, 0), (Some(First), 0), (sep, 0)];
                let pair = [&single[..], &[(Some(Second), 1), (sep, 1)]].concat();
                (single, pair)
            }
            Family::XlmRoberta | Family::Camembert => {
                let single = vec![(cls, 0), (Some(First), 0), (sep, 0)];
                let pair = [&single[..], &[(sep, 0), (Some(Second), 0), (sep, 0)]].concat();
                (single, pair)
            }
            Family::Xlnet => {
                let first = [(Some(First), 0), (sep, 0)];
                let second = [(Some(Second), 1), (sep, 1)];
                let end = [(cls, 2)];
                (
                    [&first[..], &end].concat(),
                    [&first[..], &second, &end].concat(),
                )
            }
            Family::T5 => {
                let eos = step(Role::Eos);
                let single = vec![(Some(First), 0), (eos, 0)];
                let pair = [&single[..], &[(Some(Second), 0), (eos, 0)]].concat();
                (single, pair)
            }
            Family::Marian | Family::Pegasus => {
                let eos = step(Role::Eos);
                let single = vec![(Some(First), 0), (eos, 0)];
                let pair = vec![(Some(First), 0), (Some(Second), 0), (eos, 0)];
                (single, pair)
            }
            Family::Llama | Family::Gemma => {
                let bos = if_set("add_bos_token", true, Role::Bos)?;
                let eos = if_set("add_eos_token", false, Role::Eos)?;
                let single = vec![(bos, 0), (Some(First), 0), (eos, 0)];
                let pair = [&single[..], &[(bos, 1), (Some(Second), 1), (eos, 1)]].concat();
                (single, pair)
            }
        };
        Ok(Some(template(
            &present_steps(&single),
            &present_steps(&pair),
        )))
    }
}
