//! RNAs with their secondary structures.

use engraft_component::Component;

use crate::arguments::Rows;
use crate::error::{Error, argument};
use crate::naming::Naming;

/// RNAs with their secondary structures: files of brackets (`.dbn`), connectivity tables (`.ct`), base pairs (`.bpseq`) or bpRNA's `.st`, or a table with a column of brackets or of pairs.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(name = "RNASSPairwiseTokenClassification")]
#[component(alias = "modelgenerator.rna_ss.rna_ss_data.RNASSPairwiseTokenClassification")]
pub struct RnaStructures {
    /// Which rows there are, and how they come.
    #[arg(flatten)]
    pub rows: Rows,
    /// A folder within `path` that holds the splits; where `path` has no such folder, it holds them itself.
    #[arg(default = "bpRNA".to_owned())]
    pub dataset: String,
    /// The column of sequences.
    #[arg(default = vec!["sequence".to_owned()])]
    pub x_col: Vec<String>,
    /// The column of structures: brackets, lists of pairs, or matrices.
    #[arg(default = vec!["structure".to_owned()])]
    pub y_col: Vec<String>,
    /// RNAs of fewer letters are left out.
    #[arg(default = 0)]
    pub min_seq_len: usize,
    /// RNAs of more letters are left out.
    #[arg(default = 999_999_999)]
    pub max_seq_len: usize,
    /// Row ids, new names and row numbers.
    #[arg(flatten)]
    pub naming: Naming,
}

impl RnaStructures {
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.min_seq_len > self.max_seq_len {
            let (least, most) = (self.min_seq_len, self.max_seq_len);
            let message = format!("{least} is more than max_seq_len ({most}), so no row is left");
            return Err(argument("min_seq_len", message));
        }
        Ok(())
    }

    /// The same with the folder of its data set as the one that holds the splits, if there is one.
    pub(crate) fn settled(&self) -> RnaStructures {
        let mut settled = self.clone();
        let source = &mut settled.rows.source;
        if source.config_name.is_none() && source.path.join(&self.dataset).is_dir() {
            source.config_name = Some(self.dataset.clone());
        }
        settled
    }
}
