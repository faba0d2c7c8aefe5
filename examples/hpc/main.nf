// Score a library of molecules with Nextflow: a process a shard, whose records are concatenated.
//
//   nextflow run examples/hpc/main.nf --library library.smi --shards 8 -resume
//
// Nextflow gives each task a directory of its own. A shard is a file here, not a part of a run's directory: what
// is interrupted is done again from its beginning.

params.library = 'library.smi'
params.shards = 4

process score {
    errorStrategy 'retry'
    maxRetries 2

    input:
    path library
    val number

    output:
    path 'scored.jsonl'

    script:
    """
    logos score ${library} --metrics qed,sa --shard ${number}/${params.shards} -o scored.jsonl -q || [ \$? -eq 3 ]
    """
}

workflow {
    score(file(params.library), Channel.of(1..params.shards))
    score.out.collectFile(name: 'scored.jsonl', storeDir: '.')
}
