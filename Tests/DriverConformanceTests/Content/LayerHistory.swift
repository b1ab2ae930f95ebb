// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

/// Layers, one upon the other, that a shell makes, and what is to be told of each.
struct LayerHistory: Sendable {
    struct Layer: Sendable {
        /// Runs in the layer's root.
        let script: String
        /// As `graphctl changes` prints them; nil where that is not the point.
        let changes: [String]?
    }

    let what: String
    let layers: [Layer]

    init(_ what: String, _ layers: [(script: String, changes: [String]?)]) {
        self.what = what
        self.layers = layers.map { Layer(script: $0.script, changes: $0.changes) }
    }

    /// One without expectations of what changes.
    init(_ what: String, scripts: String...) { self.init(what, scripts.map { ($0, nil) }) }
}

extension LayerHistory {
    /// The layers that containers-storage's tests of `diff`, `changes`, `apply-diff` and `import-layer` make.
    static let containersStorage = LayerHistory(
        "layers with empty directories, filled ones and files, which go and come again",
        [
            (
                """
                for n in 1 2 3; do echo $RANDOM >layer1file$n; done
                mkdir layerdir1 layerdir2 layerdir3
                for n in 4 5 6; do mkdir -p layerdir$n/layer1subdir; done
                for n in 7 8 9; do mkdir layerdir$n; echo $RANDOM >layerdir$n/layer1file$((n - 3)); done
                """,
                [
                    "A /layer1file1", "A /layer1file2", "A /layer1file3", "A /layerdir1",
                    "A /layerdir2", "A /layerdir3", "A /layerdir4", "A /layerdir4/layer1subdir",
                    "A /layerdir5", "A /layerdir5/layer1subdir", "A /layerdir6",
                    "A /layerdir6/layer1subdir", "A /layerdir7", "A /layerdir7/layer1file4",
                    "A /layerdir8", "A /layerdir8/layer1file5", "A /layerdir9",
                    "A /layerdir9/layer1file6",
                ]
            ),
            (
                """
                rm -r layer1file[12] layerdir[124578]
                echo $RANDOM >layer2file1
                mkdir -p layerdir10 layerdir11/layer2subdir layerdir12
                echo $RANDOM >layerdir12/layer2file2
                """,
                [
                    "D /layer1file1", "D /layer1file2", "A /layer2file1", "D /layerdir1",
                    "A /layerdir10", "A /layerdir11", "A /layerdir11/layer2subdir",
                    "A /layerdir12", "A /layerdir12/layer2file2", "D /layerdir2",
                    "D /layerdir4", "D /layerdir5", "D /layerdir7", "D /layerdir8",
                ]
            ),
            (
                """
                echo $RANDOM >layerfile1
                mkdir -p layerdir1 layerdir4/layer1subdir layerdir7
                mkdir -p layerdir3/layer3subdir/layer3subsubdir
                echo $RANDOM >layerdir7/layer1file4
                """,
                [
                    "A /layerdir1", "M /layerdir3", "A /layerdir3/layer3subdir",
                    "A /layerdir3/layer3subdir/layer3subsubdir", "A /layerdir4",
                    "A /layerdir4/layer1subdir", "A /layerdir7", "A /layerdir7/layer1file4",
                    "A /layerfile1",
                ]
            ),
        ])

    private static let sample = """
        for n in 1 2 3 4 5 6 7; do echo file$n >file$n; done
        chmod 600 file[14567]; chmod 666 file2; chmod 404 file3
        mkdir -m 740 dir1; mkdir -m 700 dir2 dir3 dir4
        for d in 1 2 3 4; do for n in 1 2; do echo file$d-$n >dir$d/file$d-$n; done; done
        chmod 1444 dir1/file1-1
        ln -s target1 symlink1; ln -s target2 symlink2; ln -s "$PWD/file1" symlink3
        ln -s "$PWD/symlink3" symlink4; ln -s "$PWD/dir1" dirSymlink
        touch -h -d @1000000000 symlink*
        """

    /// What Docker's tests of its archives change, which containers-storage has as well.
    static let docker = [
        LayerHistory(
            "everything that may happen to a name",
            [
                (sample, nil),
                (
                    """
                    rm -r file1 dir1 symlink1
                    echo fileNN >file2; rm file3; echo fileMM >file3; chmod 404 file3
                    touch -d @2000000000 file4; rm file5; mkdir -m 666 file5
                    echo filenew >filenew; chmod 777 filenew; mkdir -m 766 dirnew
                    ln -s targetnew symlinknew
                    rm symlink2; ln -s target3 symlink2; touch -h -d @1000000000 symlink2
                    rm -r dir2; echo dir2 >dir2; chmod 777 dir2
                    touch -d @2000000000 dir3
                    """,
                    [
                        "D /dir1", "M /dir2", "M /dir3", "A /dirnew", "D /file1", "M /file2",
                        "M /file3", "M /file4", "M /file5", "A /filenew", "D /symlink1",
                        "M /symlink2", "A /symlinknew",
                    ]
                ),
            ]),
        LayerHistory("a layer in which nothing happens", [(sample, nil), (":", [])]),
        LayerHistory(
            "a new file far down",
            [
                ("mkdir -p dir1/dir2/dir3; echo hello >dir1/dir2/dir3/file.txt", nil),
                (
                    "echo bye >dir1/dir2/dir3/file1.txt",
                    [
                        "M /dir1", "M /dir1/dir2", "M /dir1/dir2/dir3",
                        "A /dir1/dir2/dir3/file1.txt",
                    ]
                ),
                (
                    "echo bye >dir1/dir2/dir3/file.txt",
                    [
                        "M /dir1", "M /dir1/dir2", "M /dir1/dir2/dir3",
                        "M /dir1/dir2/dir3/file.txt",
                    ]
                ),
            ]),
        LayerHistory(
            "many hard links to one file",
            scripts: "echo 1 >1; for n in 2 3 4 5 6 7 8 9 10; do ln 1 $n; done"),
    ]
}
