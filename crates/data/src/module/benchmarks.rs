//! Data sets of published benchmarks by their names: a generic data module each, with the repository, the files and the columns filled in.
//!
//! Which repository, files and columns each has are the facts of [ModelGenerator](https://github.com/genbio-ai/ModelGenerator)'s data modules of
//! these names.

use engraft_component::ReadyMade;

const CLASSES: &str = "SequenceClassificationDataModule";
const NUMBERS: &str = "SequenceRegressionDataModule";
const TOKENS: &str = "TokenClassificationDataModule";
const CONDITIONS: &str = "ConditionalDiffusionDataModule";
const VARIANTS: &str = "ZeroshotClassificationRetrieveDataModule";

/// The benchmarks. Those without a path are files that their user has.
pub(super) const BENCHMARKS: &[ReadyMade] = &[
    ReadyMade {
        name: "RNAMeanRibosomeLoadDataModule",
        class: NUMBERS,
        summary: "Leaders of messenger RNA with the mean number of ribosomes on each, as they are counted",
        defaults: &[
            ("path", "genbio-ai/rna-downstream-tasks"),
            ("config_name", "mean_ribosome_load"),
            ("valid_split_name", "validation"),
            ("x_col", "[utr]"),
            ("y_col", "[rl]"),
            ("normalize", "false"),
        ],
    },
    ReadyMade {
        name: "ClinvarRetrieve",
        class: VARIANTS,
        summary: "Variants of the human genome that clinicians have judged",
        defaults: &[
            ("test_split_files", "[ClinVar_Processed.tsv]"),
            ("reference_file", "hg38.ml.fa"),
            ("method", "Distance"),
            ("window", "512"),
            ("y_col", "[effect]"),
        ],
    },
    ReadyMade {
        name: "NTClassification",
        class: CLASSES,
        summary: "Nucleotide Transformer's tasks on DNA: promoters, enhancers, splice sites, histone marks (`config_name` says which)",
        defaults: &[
            (
                "path",
                "InstaDeepAI/nucleotide_transformer_downstream_tasks",
            ),
            ("config_name", "enhancers"),
            ("x_col", "[sequence]"),
            ("y_col", "[label]"),
            ("rename_cols", "{sequence: sequences}"),
        ],
    },
    ReadyMade {
        name: "GUEClassification",
        class: CLASSES,
        summary: "Genome Understanding Evaluation: promoters, splice sites, transcription factors, epigenetic marks on DNA (`config_name` says which)",
        defaults: &[
            ("path", "leannmlindsey/GUE"),
            ("config_name", "emp_H3"),
            ("x_col", "[sequence]"),
            ("y_col", "[label]"),
            ("rename_cols", "{sequence: sequences}"),
        ],
    },
    ReadyMade {
        name: "FoldPrediction",
        class: CLASSES,
        summary: "Folds of proteins, 1195 classes",
        defaults: &[
            ("path", "proteinglm/fold_prediction"),
            ("x_col", "[seq]"),
            ("y_col", "[label]"),
            ("rename_cols", "{seq: sequences}"),
        ],
    },
    ReadyMade {
        name: "LocalizationPrediction",
        class: CLASSES,
        summary: "Where in the cell proteins are, 10 classes",
        defaults: &[
            ("path", "proteinglm/localization_prediction"),
            ("x_col", "[seq]"),
            ("y_col", "[label]"),
            ("rename_cols", "{seq: sequences}"),
        ],
    },
    ReadyMade {
        name: "MetalIonBinding",
        class: CLASSES,
        summary: "Whether proteins bind metal ions",
        defaults: &[
            ("path", "proteinglm/metal_ion_binding"),
            ("x_col", "[seq]"),
            ("y_col", "[label]"),
            ("rename_cols", "{seq: sequences}"),
        ],
    },
    ReadyMade {
        name: "SolubilityPrediction",
        class: CLASSES,
        summary: "Whether proteins are soluble",
        defaults: &[
            ("path", "proteinglm/solubility_prediction"),
            ("x_col", "[seq]"),
            ("y_col", "[label]"),
            ("rename_cols", "{seq: sequences}"),
        ],
    },
    ReadyMade {
        name: "CloningClf",
        class: CLASSES,
        summary: "Whether proteins can be cloned",
        defaults: &[
            ("path", "proteinglm/cloning_clf"),
            ("x_col", "[seq]"),
            ("y_col", "[label]"),
            ("rename_cols", "{seq: sequences}"),
        ],
    },
    ReadyMade {
        name: "MaterialProduction",
        class: CLASSES,
        summary: "Whether proteins can be produced",
        defaults: &[
            ("path", "proteinglm/material_production"),
            ("x_col", "[seq]"),
            ("y_col", "[label]"),
            ("rename_cols", "{seq: sequences}"),
        ],
    },
    ReadyMade {
        name: "TcrPmhcAffinity",
        class: CLASSES,
        summary: "Whether T-cell receptors bind peptides on MHC",
        defaults: &[
            ("path", "proteinglm/tcr_pmhc_affinity"),
            ("x_col", "[seq]"),
            ("y_col", "[label]"),
            ("rename_cols", "{seq: sequences}"),
        ],
    },
    ReadyMade {
        name: "PeptideHlaMhcAffinity",
        class: CLASSES,
        summary: "Whether peptides bind HLA",
        defaults: &[
            ("path", "proteinglm/peptide_HLA_MHC_affinity"),
            ("x_col", "[seq]"),
            ("y_col", "[label]"),
            ("rename_cols", "{seq: sequences}"),
        ],
    },
    ReadyMade {
        name: "TemperatureStability",
        class: CLASSES,
        summary: "Whether proteins are stable in heat",
        defaults: &[
            ("path", "proteinglm/temperature_stability"),
            ("x_col", "[seq]"),
            ("y_col", "[label]"),
            ("rename_cols", "{seq: sequences}"),
        ],
    },
    ReadyMade {
        name: "AntibioticResistance",
        class: CLASSES,
        summary: "Which antibiotics proteins resist, 19 classes",
        defaults: &[
            ("path", "proteinglm/antibiotic_resistance"),
            ("x_col", "[seq]"),
            ("y_col", "[label]"),
            ("rename_cols", "{seq: sequences}"),
        ],
    },
    ReadyMade {
        name: "ContactPredictionBinary",
        class: TOKENS,
        summary: "Which residues of proteins are in contact",
        defaults: &[
            ("path", "proteinglm/contact_prediction_binary"),
            ("x_col", "[seq]"),
            ("y_col", "[label]"),
            ("rename_cols", "{seq: sequences}"),
            ("pairwise", "true"),
            ("batch_size", "1"),
        ],
    },
    ReadyMade {
        name: "PromoterExpressionRegression",
        class: NUMBERS,
        summary: "How strongly random promoters of yeast are expressed",
        defaults: &[
            ("path", "genbio-ai/100M-random-promoters"),
            ("x_col", "[sequence]"),
            ("y_col", "[label]"),
            ("rename_cols", "{sequence: sequences}"),
        ],
    },
    ReadyMade {
        name: "PromoterExpressionGeneration",
        class: CONDITIONS,
        summary: "Random promoters of yeast, to be written for an expression",
        defaults: &[
            ("path", "genbio-ai/100M-random-promoters"),
            ("x_col", "[sequence]"),
            ("y_col", "[label]"),
            ("rename_cols", "{sequence: sequences}"),
        ],
    },
    ReadyMade {
        name: "SspQ3",
        class: TOKENS,
        summary: "Secondary structure of proteins, a class of three for each residue",
        defaults: &[
            ("path", "proteinglm/ssp_q3"),
            ("x_col", "[seq]"),
            ("y_col", "[label]"),
            ("rename_cols", "{seq: sequences}"),
            ("batch_size", "1"),
        ],
    },
    ReadyMade {
        name: "FluorescencePrediction",
        class: NUMBERS,
        summary: "How brightly variants of a fluorescent protein shine",
        defaults: &[
            ("path", "proteinglm/fluorescence_prediction"),
            ("x_col", "[seq]"),
            ("y_col", "[label]"),
            ("rename_cols", "{seq: sequences}"),
        ],
    },
    ReadyMade {
        name: "FitnessPrediction",
        class: NUMBERS,
        summary: "Fitness of variants of a protein",
        defaults: &[
            ("path", "proteinglm/fitness_prediction"),
            ("x_col", "[seq]"),
            ("y_col", "[label]"),
            ("rename_cols", "{seq: sequences}"),
        ],
    },
    ReadyMade {
        name: "StabilityPrediction",
        class: NUMBERS,
        summary: "Stability of small proteins",
        defaults: &[
            ("path", "proteinglm/stability_prediction"),
            ("x_col", "[seq]"),
            ("y_col", "[label]"),
            ("rename_cols", "{seq: sequences}"),
        ],
    },
    ReadyMade {
        name: "EnzymeCatalyticEfficiencyPrediction",
        class: NUMBERS,
        summary: "How fast enzymes work",
        defaults: &[
            ("path", "proteinglm/enzyme_catalytic_efficiency"),
            ("x_col", "[seq]"),
            ("y_col", "[label]"),
            ("rename_cols", "{seq: sequences}"),
        ],
    },
    ReadyMade {
        name: "OptimalTemperaturePrediction",
        class: NUMBERS,
        summary: "The temperature at which enzymes work best",
        defaults: &[
            ("path", "proteinglm/optimal_temperature"),
            ("x_col", "[seq]"),
            ("y_col", "[label]"),
            ("rename_cols", "{seq: sequences}"),
        ],
    },
    ReadyMade {
        name: "OptimalPhPrediction",
        class: NUMBERS,
        summary: "The acidity at which enzymes work best",
        defaults: &[
            ("path", "proteinglm/optimal_ph"),
            ("x_col", "[seq]"),
            ("y_col", "[label]"),
            ("rename_cols", "{seq: sequences}"),
        ],
    },
    ReadyMade {
        name: "DMSFitnessPrediction",
        class: NUMBERS,
        summary: "Deep mutational scans of ProteinGYM: fitness of a protein's variants (`train_split_files` says which scan)",
        defaults: &[
            ("path", "genbio-ai/ProteinGYM-DMS"),
            ("x_col", "[sequences]"),
            ("y_col", "[labels]"),
            (
                "train_split_files",
                "[indels/B1LPA6_ECOSM_Russ_2020_indels.tsv]",
            ),
            ("test_split_name", "null"),
            ("cv_num_folds", "5"),
            ("cv_fold_id_col", "fold_id"),
            ("cv_val_offset", "-1"),
        ],
    },
    ReadyMade {
        name: "TranslationEfficiency",
        class: NUMBERS,
        summary: "How often messenger RNA is translated (`config_name` says in which cells)",
        defaults: &[
            ("path", "genbio-ai/rna-downstream-tasks"),
            ("config_name", "translation_efficiency_Muscle"),
            ("x_col", "[sequences]"),
            ("y_col", "[labels]"),
            ("test_split_name", "null"),
            ("cv_num_folds", "10"),
            ("cv_fold_id_col", "fold_id"),
        ],
    },
    ReadyMade {
        name: "ExpressionLevel",
        class: NUMBERS,
        summary: "How much of a messenger RNA there is (`config_name` says in which cells)",
        defaults: &[
            ("path", "genbio-ai/rna-downstream-tasks"),
            ("config_name", "expression_Muscle"),
            ("x_col", "[sequences]"),
            ("y_col", "[labels]"),
            ("test_split_name", "null"),
            ("cv_num_folds", "10"),
            ("cv_fold_id_col", "fold_id"),
        ],
    },
    ReadyMade {
        name: "TranscriptAbundance",
        class: NUMBERS,
        summary: "How much of a transcript there is (`config_name` says in which organism)",
        defaults: &[
            ("path", "genbio-ai/rna-downstream-tasks"),
            ("config_name", "transcript_abundance_athaliana"),
            ("x_col", "[sequences]"),
            ("y_col", "[labels]"),
            ("test_split_name", "null"),
            ("cv_num_folds", "5"),
            ("cv_fold_id_col", "fold_id"),
        ],
    },
    ReadyMade {
        name: "ProteinAbundance",
        class: NUMBERS,
        summary: "How much of a protein there is, by its messenger RNA (`config_name` says in which organism)",
        defaults: &[
            ("path", "genbio-ai/rna-downstream-tasks"),
            ("config_name", "protein_abundance_athaliana"),
            ("x_col", "[sequences]"),
            ("y_col", "[labels]"),
            ("test_split_name", "null"),
            ("cv_num_folds", "5"),
            ("cv_fold_id_col", "fold_id"),
        ],
    },
    ReadyMade {
        name: "NcrnaFamilyClassification",
        class: CLASSES,
        summary: "Families of non-coding RNA, 88 classes",
        defaults: &[
            ("path", "genbio-ai/rna-downstream-tasks"),
            ("config_name", "ncrna_family_bnoise0"),
            ("x_col", "[sequences]"),
            ("y_col", "[labels]"),
            ("valid_split_name", "validation"),
        ],
    },
    ReadyMade {
        name: "SpliceSitePrediction",
        class: CLASSES,
        summary: "Whether introns begin or end in the middle of a sequence (`config_name` says which)",
        defaults: &[
            ("path", "genbio-ai/rna-downstream-tasks"),
            ("config_name", "splice_site_acceptor"),
            ("x_col", "[sequences]"),
            ("y_col", "[labels]"),
            ("valid_split_name", "validation"),
            ("test_split_name", "test_danio"),
            ("batch_size", "16"),
        ],
    },
    ReadyMade {
        name: "ModificationSitePrediction",
        class: CLASSES,
        summary: "Modifications of RNA, 12 of which each sequence may have several",
        defaults: &[
            ("path", "genbio-ai/rna-downstream-tasks"),
            ("config_name", "modification_site"),
            ("x_col", "[sequences]"),
            (
                "y_col",
                "[labels_0, labels_1, labels_2, labels_3, labels_4, labels_5, labels_6, labels_7, labels_8, labels_9, labels_10, labels_11]",
            ),
            ("valid_split_name", "validation"),
        ],
    },
];

#[cfg(test)]
mod tests {
    use engraft_component::{Choice, decode, read_yaml};

    use super::*;
    use crate::module::DataModule;

    #[test]
    fn every_benchmark_is_a_data_module_as_it_stands() {
        let has_path = |it: &&ReadyMade| it.defaults.iter().any(|(key, _)| *key == "path");
        for benchmark in BENCHMARKS.iter().filter(has_path) {
            let name = benchmark.name;
            let node = read_yaml(name.as_bytes(), "").unwrap();
            let (module, notes) =
                decode::<DataModule>(&node).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(notes.is_empty(), "{name}: {notes:?}");
            module
                .check()
                .unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(module.name(), benchmark.class, "{name}");
            assert!(module.source().path.iter().count() == 2, "{name}");
            let text = match name {
                // Published experiments name other columns of it, which a new name of this one would refuse.
                "RNAMeanRibosomeLoadDataModule" => "utr",
                _ => "sequences",
            };
            assert_eq!(module.text_names(), [text], "{name}");
        }
    }

    #[test]
    fn what_is_given_counts_more_than_what_a_benchmark_has() {
        let text = "{class_path: modelgenerator.data.GUEClassification, init_args: {path: here, config_name: prom, batch_size: 4}}";
        let node = read_yaml(text.as_bytes(), "").unwrap();
        let (module, _) = decode::<DataModule>(&node).unwrap();
        let source = module.source();
        assert_eq!(source.path.to_str(), Some("here"));
        assert_eq!(source.config_name.as_deref(), Some("prom"));
        assert_eq!(module.batching().batch_size, 4);
        assert_eq!(module.label_names(), ["label"]);
    }
}
