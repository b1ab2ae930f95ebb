// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphTestSupport
import SystemPackage
import Testing

/// What an export leaves whose process is killed, and who clears it away.
@Suite(.usable("overlay")) struct KilledExportTests {
    /// An image with a layer of a megabyte; `killed` runs a command that the kernel kills at a file of 300 KiB.
    private static let setUp = """
        set -e
        head -c 1000000 /dev/urandom >big; tar -cf layer.tar big
        jq -cn --arg d sha256:$(sha256sum <layer.tar | cut -c 1-64) \\
            '{architecture: "amd64", os: "linux", rootfs: {type: "layers", diff_ids: [$d]}}' >c.json
        jq -n '[{Config: "c.json", RepoTags: ["app:1"], Layers: ["layer.tar"]}]' >manifest.json
        tar -cf app.tar manifest.json c.json layer.tar
        graphctl import app.tar >/dev/null
        killed() {
            status=0; python3 -c '
        import os, resource, signal, sys
        # Whoever runs the tests may have told all of them to live on.
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGXFSZ])
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (300000, 300000))
        os.execvp("graphctl", ["graphctl"] + sys.argv[1:])' "$@" >/dev/null 2>&1 || status=$?
            [ $status = 153 ] || { echo "the kernel did not kill it: $status" >&2; return 1; }
        }
        mkdir out; cd out
        """

    @Test(arguments: [
        (["export", "app:1", "oci-archive:x.tar"], "x.tar"),
        (["export", "app:1", "oci:layout"], "layout"),
        (["diff", "app:1", "--output", "x.diff"], "x.diff"),
    ])
    func `the next export to the same place removes what a killed one left`(
        _ command: [String], _ name: String
    ) throws {
        try CommandRunner.with { graphctl in
            let words = command.joined(separator: " ")
            let result = try graphctl.shell(
                """
                \(Self.setUp)
                killed \(words); ls -A; echo -; killed \(words); ls -A; echo -
                graphctl \(words) >/dev/null; ls -A; find . -name '*partial'
                """)
            #expect(result.status == 0, "\(result.error)")
            let left = ".\(name).graph-partial"
            #expect(result.lines == [left, "-", left, "-", name], "\(result.error)")
        }
    }

    @Test func `an export into a layout that is there removes what a killed one left in it`() throws
    {
        try CommandRunner.with { graphctl in
            let result = try graphctl.shell(
                """
                \(Self.setUp)
                mkdir -p layout/blobs/sha256; echo '{"imageLayoutVersion":"1.0.0"}' >layout/oci-layout
                echo '{"schemaVersion":2,"manifests":[]}' >layout/index.json
                killed export app:1 oci:layout; find . -name '*partial'; echo -
                graphctl export app:1 oci:layout >/dev/null; find . -name '*partial'
                ls layout/blobs/sha256 | wc -l
                """)
            #expect(result.status == 0, "\(result.error)")
            #expect(
                result.lines == ["./layout/blobs/sha256/.blob.partial", "-", "3"],
                "\(result.error)")
        }
    }
}
