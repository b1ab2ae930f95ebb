// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// Whose store the command works on: the caller's or root's, and nobody else's.
@Suite(.usable("overlay")) struct OwnerTests {
    private static let isPossible: ConditionTrait = .enabled(
        if: Machine.isRoot, "other users are root's to play")
    /// What becomes another user, without any privilege.
    private static let asUser = "setpriv --reuid=1000 --regid=1000 --clear-groups"

    @Test(isPossible) func `what another user has planted is refused by every command`() throws {
        try CommandRunner.with { graphctl in
            let script = FilePath(#filePath).removingLastComponent().removingLastComponent()
                .appending("scripts/planted-files.sh")
            let result = try graphctl.shell(
                "bash '\(script)' \(SeededGenerator.isSoak ? "" : "4") && ls -A")
            #expect(result.status == 0, "\(result.error)")
            let told = result.lines.prefix { Int($0) == nil }
            #expect(told.isEmpty, "\(told.prefix(20).joined(separator: "\n"))")
            let count = try #require(result.lines.compactMap { Int($0) }.first)
            #expect(count >= (SeededGenerator.isSoak ? 1_200 : 350))
        }
    }

    /// The attack itself: a filesystem with a set-user-id program in it, in a directory of the user's own.
    @Test(isPossible) func `an image of another user never reaches the kernel`() throws {
        try CommandRunner.with { graphctl in
            let result = try graphctl.shell(
                """
                set -e
                chmod 0711 .
                mkdir seed theirs && cp /bin/true seed/shell && chmod 4755 seed/shell && chown 1000 theirs
                truncate -s 320M theirs/bed.image
                mkfs.xfs -q theirs/bed.image && chown -R 1000:1000 theirs
                mkdir theirs/bed && chown 1000:1000 theirs/bed
                for step in given 'chown root: theirs' 'chmod a+w theirs' 'chown root: theirs/bed.image'; do
                    [ "$step" = given ] || $step
                    for verb in ls info 'loop-image status' 'loop-image grow' 'loop-image detach' probe check gc init create; do
                        graphctl --root theirs $verb >out 2>&1 && echo "after $step: $verb did it"
                        grep -Eq 'chown root: |chmod go-w ' out || { echo "after $step: $verb:"; cat out; }
                        grep -F "$PWD" /proc/self/mountinfo && echo "after $step: $verb mounted it" || :
                        losetup --list --noheadings | grep -F "$PWD" && echo "$verb attached it" || :
                    done
                done
                ls -A theirs
                """)
            #expect(result.status == 0, "\(result.error)")
            #expect(result.lines == ["bed", "bed.image"], "\(result.output)")
        }
    }

    /// As root of a user namespace that knows no other user, for which the directories above are
    /// nobody's.
    @Test(isPossible) func `a user works on a store of their own`() throws {
        try CommandRunner.with { graphctl in
            try Self.prepare(graphctl)
            let result = try graphctl.shell(
                """
                set -e
                mkdir home && chown 1000:1000 home && cd home
                export GRAPHCTL_ROOT=$PWD/store GRAPHCTL_RUN_ROOT=$PWD/run
                tar -cf ../layer.tar --owner=0 --group=0 -C .. own && chmod a+r ../layer.tar
                graphctl() { \(Self.asUser) unshare --user --map-root-user ../own/graphctl "$@"; }
                graphctl --driver vfs apply --id base ../layer.tar
                graphctl create --id box --parent base
                graphctl ls -q; graphctl changes base | head -1; graphctl diff base | wc -c | tr -d 0-9
                graphctl label box a=b; graphctl commit box; graphctl check --deep
                graphctl rm box base; graphctl gc
                stat -c '%u %a' store
                mkdir -m 0755 ../root; GRAPHCTL_ROOT=../root graphctl ls 2>&1 | grep -o 'user 65534'
                """)
            #expect(result.status == 0, "\(result.error)")
            #expect(
                result.lines == [
                    "base", "box", "base", "box", "A /own", "box", "box", "base", "1000 700",
                    "user 65534",
                ])
        }
    }

    @Test(isPossible) func `a store of root that others may read is read by them`() throws {
        try CommandRunner.with { graphctl in
            try Self.prepare(graphctl)
            try graphctl.apply("base")
            let result = try graphctl.shell(
                """
                set -e
                chmod -R a+rX root
                \(Self.asUser) own/graphctl --run-root "$PWD/none" ls -q
                \(Self.asUser) own/graphctl --run-root "$PWD/run" changes base
                \(Self.asUser) own/graphctl --run-root "$PWD/none" rm base || echo $?
                """)
            #expect(result.lines == ["base", "A /base", "1"], "\(result.error)")
            #expect(result.error.contains("read-only"))
        }
    }

    /// Directories above may be sticky, and of a user's own group; a link of root's is followed once.
    @Test(isPossible) func `places that nobody else can replace are taken`() throws {
        try CommandRunner.with { graphctl in
            let result = try graphctl.shell(
                """
                set -e
                unset GRAPHCTL_ROOT GRAPHCTL_RUN_ROOT
                mkdir -m 1777 sticky; mkdir -m 2775 group; ln -s group/store link; mkdir group/store
                graphctl --root sticky/new/store --run-root sticky/run create --id a
                graphctl --root group/store --run-root group/run create --id b
                graphctl --root link --run-root group/run ls -q
                graphctl --root link --run-root group/run info --json | jq -r .run_root
                stat -c %a sticky/new/store sticky/run
                chgrp 1000 group
                graphctl --root group/store --run-root run ls 2>&1 | grep -o 'chmod go-w .*'
                """)
            #expect(result.status == 0, "\(result.error)")
            let directory = graphctl.directory
            #expect(
                result.lines == [
                    "a", "b", "b", "\(directory)/group/run", "700", "700",
                    "chmod go-w \(directory)/group",
                ])
        }
    }

    /// Puts the command where a user gets at it.
    private static func prepare(_ graphctl: CommandRunner) throws {
        let made = try graphctl.shell(
            "chmod 0711 . && mkdir own && cp '\(CommandRunner.path)' own/graphctl && chmod -R a+rX own"
        )
        #expect(made.status == 0, "\(made.error)")
    }
}
