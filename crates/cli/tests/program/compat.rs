//! `compat: mgen` gives the results that ModelGenerator has where they differ from what is right.

use crate::Workplace;

const FIT: &str = "--model.backbone aido_dna_debug --data.path rows.csv --data.valid_split_size 0 --data.batch_size 4 --trainer.enable_report false";

fn letters() -> Workplace {
    let place = Workplace::empty();
    let rows = [
        "ACGT,1.5", "TTGA,4", "CCGT,0.5", "TTTA,9", "GACA,2", "CATG,3",
    ];
    place.write(
        "rows.csv",
        &format!("sequences,labels\n{}\n", rows.join("\n")),
    );
    place
}

#[test]
fn the_loss_of_masked_models_is_of_all_tokens() {
    let place = letters();
    let fit = format!("fit --model MLM --data MLMDataModule {FIT} --trainer.max_epochs 1");
    let mut scores = Vec::new();
    for (folder, words) in [
        ("masked", ""),
        ("all", "--model.loss_on_all_tokens true"),
        ("mgen", "--compat mgen"),
    ] {
        scores.push(place.succeed(&format!(
            "{fit} {words} --trainer.default_root_dir {folder}"
        )));
    }
    assert_ne!(scores[0], scores[1]);
    assert_eq!(scores[1], scores[2]);
    // What the run was is known to what goes on from it, and may be asked for otherwise.
    let test = "test --ckpt_path last --trainer.default_root_dir mgen --data.path rows.csv";
    let again = place.succeed(test);
    assert_ne!(again, place.succeed(&format!("{test} --model.compat null")));
}

#[test]
fn scaled_regression_learns_nothing_in_epoch_0() {
    let place = letters();
    let fit = format!(
        "fit --model SequenceRegressionWithScaling --data SequenceRegressionDataModule {FIT} --compat mgen"
    );
    let weights = |folder: &str, words: &str| {
        place.succeed(&format!(
            "{fit} {words} --trainer.default_root_dir {folder}"
        ));
        let saved = place.succeed(&format!(
            "export --ckpt_path last --trainer.default_root_dir {folder} --output {folder}/out"
        ));
        drop(saved);
        std::fs::read(place.path(&format!("{folder}/out/model.safetensors"))).unwrap()
    };
    let one = "--trainer.max_epochs 1";
    let rested = weights("one", &format!("{one} --model.optimizer.lr 0.1"));
    assert_eq!(
        rested,
        weights("other", &format!("{one} --model.optimizer.lr 0.01"))
    );
    let learned = weights("two", "--trainer.max_epochs 2 --model.optimizer.lr 0.1");
    assert_ne!(rested, learned);
}

#[test]
fn layers_are_numbered_from_1_and_the_last_has_no_score() {
    let place = Workplace::empty();
    place.write(
        "variants.tsv",
        "reference\tvariant\teffect\nACGT\tACGA\t1\nTTGA\tTAGA\t0\nCCGT\tCCCT\t1\n",
    );
    let test = "test --model ZeroshotPredictionDistance --model.backbone aido_dna_debug --model.all_hidden_states true \
                --data SequenceClassificationDataModule --data.path variants.tsv --data.x_col [reference,variant] --data.y_col effect";
    let named = |words: &str| {
        let said = place.succeed(&format!("{test} {words}"));
        [0, 1, 2, 3].map(|layer| said.contains(&format!("test_L1_AUROC[{layer}]")))
    };
    assert_eq!(named(""), [true, true, true, false]);
    assert_eq!(named("--compat mgen"), [false, true, true, false]);
}

#[test]
fn short_rows_of_pairs_are_divided_by_what_is_asked_for() {
    let place = Workplace::empty();
    // Nine letters have three pairs more than six apart, and are asked for nine.
    let row = |letters: &str| format!("{letters}\t(.......)\n");
    place.write(
        "pairs.tsv",
        &format!(
            "sequence\tstructure\n{}{}",
            row("ACGTACGTA"),
            row("CCGTTCGTA")
        ),
    );
    let fit = "fit --model PairwiseTokenClassification --model.backbone aido_dna_debug --data TokenClassificationDataModule --data.pairwise true \
               --data.path pairs.tsv --data.x_col sequence --data.y_col structure --data.valid_split_size 0 --trainer.max_steps 1";
    place.succeed(fit);
    let test = "test --ckpt_path last --data.path pairs.tsv";
    let score = |words: &str| {
        let said = place.succeed(&format!("{test} {words}"));
        let line = said.lines().find(|line| line.starts_with("test_top_L_acc"));
        line.unwrap().split_whitespace().nth(1).unwrap().to_owned()
    };
    assert_eq!(score(""), "0.3333");
    assert_eq!(score("--compat mgen"), "0.1111");
    // What the experiment of a checkpoint says counts too, and what was saved otherwise is said.
    let task = "--model PairwiseTokenClassification --model.backbone aido_dna_debug";
    let said = place.run(&format!("{test} {task} --compat mgen"));
    assert!(said.out.contains("0.1111"), "{}", said.out);
    assert!(
        said.err.contains("note: model.compat: mgen, where "),
        "{}",
        said.err
    );
}

#[test]
fn alleles_are_complemented_by_mistake() {
    let place = Workplace::empty();
    place.write("genome.fa", ">one\nACGTTGCAACGGATAC\n");
    place.write(
        "variants.tsv",
        "chrom\tstart\tend\tref\tmutate\tlabel\none\t4\t5\tT\tG\t1\none\t8\t9\tA\tG\t0\n",
    );
    let predict = "predict --model ZeroshotPredictionDiff --model.backbone aido_dna_debug --data ZeroshotClassificationRetrieveDataModule \
                   --data.path variants.tsv --data.reference_file genome.fa --data.window 4 --data.method Diff --output p.tsv";
    let said = place.run(predict);
    assert!(!said.err.contains("compat"), "{}", said.err);
    let right = place.read("p.tsv");
    let said = place.run(&format!("{predict} --compat mgen"));
    let note = "compat: mgen: 2 variants are as genome.fa has it, and alleles are complemented all the same";
    assert!(said.err.contains(note), "{}", said.err);
    assert_ne!(place.read("p.tsv"), right);
}

#[test]
fn what_it_does_not_change_is_said_and_no_other_program_is_known() {
    let place = letters();
    let fit = format!(
        "fit --model SequenceRegression --data SequenceRegressionDataModule {FIT} --trainer.fast_dev_run true"
    );
    let said = place.run(&format!("{fit} --compat mgen"));
    assert_eq!(said.code, Some(0), "{}", said.err);
    let note =
        "note: compat: mgen changes nothing here: neither the task nor the data module takes it\n";
    assert!(said.err.contains(note), "{}", said.err);
    place.succeed(&fit.replace("--trainer.fast_dev_run true", "--trainer.max_steps 1"));
    let said = place.run("test --ckpt_path last --data.path rows.csv --compat mgen");
    assert!(said.err.contains(note), "{}", said.err);
    let said = place.run(&format!("{fit} --compat hub"));
    assert_eq!(said.code, Some(2));
    assert!(
        said.err.contains("--compat: expected mgen, found \"hub\""),
        "{}",
        said.err
    );
}
