//! A backbone that fits the texts, and how long its sequences may be.

use engraft_component::Refusal;
use engraft_data::Alphabet;
use engraft_hub::{Handle, Remote};
use engraft_tasks::{Backbone, Error, SmallEncoder};

use super::Wishes;
use super::roles::{Goal, Matter, Roles};

/// Tokens that the letters of a row are given besides their own: one before and one after, or one more between a pair.
const SPECIAL: usize = 2;
/// Longer sequences cost more than a first run should.
const LONGEST_FIRST: usize = 1024;
/// Tokens of a text that a first run reads.
const TEXT_TOKENS: usize = 256;
/// Residues that the built-in antibody model has positions for.
const SAPIENS_RESIDUES: usize = 142;

/// The backbone of a proposal.
#[derive(Clone, Debug)]
pub(super) struct Scion {
    /// Its name.
    pub(super) name: String,
    /// Why it is this one.
    pub(super) why: String,
    /// Whether it starts from fresh weights.
    pub(super) from_scratch: bool,
    /// The pretrained one to have in its place, where it is a folder that is written beside the experiment.
    pub(super) pretrained: Option<String>,
    /// Width of its hidden states, where that is known.
    pub(super) hidden: Option<usize>,
    /// Sequences are cut to this many tokens.
    pub(super) max_length: Option<usize>,
    /// Why it is so many.
    pub(super) why_length: String,
    /// What becomes of letters that the vocabulary lacks, and why.
    pub(super) letters: Option<(&'static str, &'static str)>,
    /// What the user should know.
    pub(super) notes: Vec<String>,
}

impl Scion {
    /// Chooses one, or takes the one that the user has named.
    ///
    /// # Errors
    /// The one that the user has named cannot be used.
    pub(super) fn choose(roles: &Roles, wishes: &Wishes) -> Result<Self, Error> {
        let (name, why) = match &wishes.backbone {
            Some(name) => (
                name.as_str(),
                "As asked for with --model.backbone.".to_owned(),
            ),
            None => proposed(roles),
        };
        // A proposal fetches nothing that was not asked for.
        let opened = if wishes.backbone.is_some() || is_at_hand(name) {
            Backbone::new(name).open()
        } else {
            Err(Refusal::of("model.backbone", format!(
                "{name} is not in the cache; `engraft download {name}` fetches it, and then `engraft init` proposes it"
            )).into())
        };
        let mut scion = Self {
            name: name.to_owned(),
            why,
            from_scratch: false,
            pretrained: None,
            hidden: None,
            max_length: None,
            why_length: String::new(),
            letters: None,
            notes: Vec::new(),
        };
        let positions = match opened {
            Ok(checkpoint) => {
                let shape = &checkpoint.config().transformer;
                scion.from_scratch = !checkpoint.has_weights();
                scion.hidden = Some(shape.hidden);
                shape.longest()
            }
            Err(error) if wishes.backbone.is_some() || roles.matter() != Matter::Language => {
                return Err(error);
            }
            Err(error) => {
                scion.pretrained = Some(name.to_owned());
                scion.name = wishes.encoder();
                scion.why = "A small encoder that starts from fresh weights, with a vocabulary made from the training rows, in a folder beside this file.".to_owned();
                scion.from_scratch = true;
                scion.hidden = Some(SmallEncoder::HIDDEN);
                scion.notes.push(format!(
                    "model.backbone: fresh weights, where a pretrained model would do better: {error}"
                ));
                Some(SmallEncoder::POSITIONS)
            }
        };
        scion.limit(roles, positions);
        if roles.texts.iter().any(|text| text.lower_case) && roles.matter() != Matter::Language {
            scion.letters = Some((
                "map",
                "Some letters are in lower case, which stand for the upper case ones.",
            ));
        }
        Ok(scion)
    }

    /// Decides the length, given how many positions the model has; none if it has any number.
    fn limit(&mut self, roles: &Roles, positions: Option<usize>) {
        let special = SPECIAL + roles.texts.len().saturating_sub(1);
        let (needed, what) = match roles.matter() {
            Matter::Letters(_) => {
                let longest = roles.letters()[2];
                (
                    longest + special,
                    format!("letters of the longest row, {longest}, with special tokens"),
                )
            }
            Matter::Language => {
                let words = roles.words()[1];
                // English has about four tokens for three words in the usual vocabularies.
                let tokens = (words * 4).div_ceil(3) + special;
                (
                    tokens.div_ceil(32) * 32,
                    format!("nineteen rows in twenty have at most {words} words"),
                )
            }
        };
        let most = match roles.matter() {
            Matter::Letters(_) => LONGEST_FIRST,
            Matter::Language => TEXT_TOKENS,
        };
        let limit = positions.map_or(most, |positions| positions.min(most));
        self.max_length = Some(needed.min(limit).max(special + 1));
        self.why_length = if needed <= limit {
            format!("Tokens of a row at most: {what}.")
        } else if limit == most {
            format!(
                "Tokens of a row at most, which keeps a first run short ({what}); `fit` says how many rows are cut."
            )
        } else {
            format!("The positions that the model has ({what}); `fit` says how many rows are cut.")
        };
    }
}

/// The backbone for texts of a kind, and why.
fn proposed(roles: &Roles) -> (&'static str, String) {
    let [median, most, _] = roles.letters();
    match roles.matter() {
        Matter::Letters(Alphabet::Dna) => (
            "aido_dna_debug",
            "A small shape for DNA that starts from fresh weights. Pretrained ones: aido_dna_300m and others of `engraft presets`.".to_owned(),
        ),
        Matter::Letters(Alphabet::Rna) => (
            "aido_dna_debug",
            "A small shape for nucleotides that starts from fresh weights. Pretrained ones: aido_rna_1m_mars and others of `engraft presets`.".to_owned(),
        ),
        Matter::Letters(Alphabet::Protein) => {
            // One-hot letters have nothing to tell a masked one by.
            let fits = most <= SAPIENS_RESIDUES || median * 2 <= SAPIENS_RESIDUES || roles.goal == Goal::Nothing;
            if fits { (
                    "sapiens_vh",
                    "The protein model that is built in: antibody chains of up to 142 residues. General ones: esm2_8m and others of `engraft presets`.".to_owned(),
                ) } else { (
                    "protein_onehot",
                    "Residues as they are: the proteins are longer than the 142 residues of sapiens_vh, which is built in. Pretrained ones: esm2_8m and others of `engraft presets`.".to_owned(),
                ) }
        }
        Matter::Language if roles.goal == Goal::Nothing => (
            "hf://distilbert/distilbert-base-uncased",
            "A masked language model of English, from the cache of Hugging Face's tools. A folder in its layout will do as well.".to_owned(),
        ),
        Matter::Language => (
            "hf://sentence-transformers/all-MiniLM-L6-v2",
            "A small encoder of English, from the cache of Hugging Face's tools. A folder in its layout will do as well.".to_owned(),
        ),
    }
}

/// Whether a preset can be opened without asking a hub.
fn is_at_hand(name: &str) -> bool {
    Handle::parse(name).is_ok_and(|handle| Remote::is_at_hand(&handle))
}
