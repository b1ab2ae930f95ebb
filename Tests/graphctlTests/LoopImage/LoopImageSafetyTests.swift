// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// What a loop image gives away: to layers all that they have in other stores, to its own place nothing.
@Suite(.usable("overlay")) struct LoopImageSafetyTests {
    private static let isPossible: ConditionTrait = .enabled(
        if: Machine.isRoot, "a loop image needs loop devices")

    /// Shell functions: `plant DIR` makes a set-user-id program, a device node and a program with a file
    /// capability; `try_out DIR` prints what they do for user 1000.
    private static let privileges = """
        set -e
        chmod 0711 .; printf secret >secret; chmod 0600 secret
        plant() {
            cp /usr/bin/id "$1/suid"; chmod 4755 "$1/suid"
            mknod "$1/null" c 1 3; chmod 0666 "$1/null"
            cp /usr/bin/cat "$1/reader"; chmod 0755 "$1/reader"
            # Version 2, effective, CAP_DAC_READ_SEARCH.
            setfattr -n security.capability -v 0x0100000204000000000000000000000000000000 "$1/reader"
        }
        user() { setpriv --reuid=1000 --regid=1000 --clear-groups "$@"; }
        try_out() {
            printf 'user %s, ' "$(user "$1/suid" -u)"
            user sh -c ': >"$0"' "$1/null" 2>&- && printf 'device, ' || printf 'no device, '
            user "$1/reader" secret 2>&- && echo || echo 'no secret'
        }

        """
    private static let all = "user 0, device, secret"
    private static let none = "user 1000, no device, no secret"

    @Test(isPossible, arguments: ["overlay", "vfs"])
    func `privileges work in layers on a loop image, and not at the loop image itself`(
        _ driver: String
    ) throws {
        try CommandRunner.with { graphctl in
            let result = try graphctl.shell(
                Self.privileges + """
                    mkdir -m 0755 place seed
                    graphctl --driver \(driver) init --loop-image xfs-image --size 320M >out
                    findmnt -no OPTIONS -M root/bed | tr , '\\n' | grep -xE 'nosuid|nodev|noexec' | sort | xargs
                    graphctl create --id base >out
                    graphctl mount base "$PWD/place" >out
                    plant place
                    try_out place
                    graphctl unmount base >out
                    graphctl commit base >out
                    graphctl create --id box --parent base >out
                    graphctl view --id look --parent base >out
                    for layer in box look; do
                        graphctl mount $layer "$PWD/place" >out
                        try_out place
                        mkdir -p again && graphctl mount $layer "$PWD/again" >out
                        try_out again
                        graphctl unmount "$PWD/again" >out; graphctl unmount "$PWD/place" >out
                    done
                    # The same files where the loop image is mounted, were the way there open.
                    found=$(find root/bed -name suid | head -1)
                    for ((up = 1; up < 9; up++)); do
                        way=$(cut -d / -f 1-$up <<<"$found"); [ -d "$way" ] && chmod a+x "$way"
                    done
                    try_out "${found%/suid}"
                    graphctl rm box look base >out; graphctl loop-image detach
                    """)
            #expect(result.status == 0, "\(result.error)")
            #expect(
                result.lines
                    == [
                        "nodev nosuid", Self.all, Self.all, Self.all, Self.all, Self.all, Self.none,
                    ])
        }
    }

    @Test(isPossible)
    func `what an administrator forbids at the root stays forbidden`() throws {
        try CommandRunner.with { graphctl in
            let result = try graphctl.shell(
                Self.privileges + """
                    mkdir -m 0755 place root
                    mount --bind -o nosuid,nodev root root
                    graphctl --driver vfs create --id box >out
                    graphctl mount box "$PWD/place" >out
                    plant place
                    try_out place
                    graphctl unmount box >out; umount root
                    """)
            #expect(result.status == 0, "\(result.error)")
            #expect(result.lines == [Self.none])
        }
    }

    /// One whose maker died before there was a store, one with another driver than asked for.
    @Test(isPossible) func `a loop image that was attached for nothing is detached again`() throws {
        try CommandRunner.with { graphctl in
            let made = try graphctl.shell(
                "graphctl init --loop-image xfs-image --size 320M >out && graphctl loop-image detach"
            )
            #expect(made.status == 0, "\(made.error)")
            let refused = try graphctl("ls", "--driver", "vfs", "--json")
            #expect(try refused.object["code"] as? String == "driverMismatch")
            #expect(Self.held(graphctl).isEmpty)
            _ = try graphctl("probe")
            #expect(Self.held(graphctl).isEmpty)
            let emptied = try graphctl.shell(
                "graphctl ls && rm -r root/bed/* && graphctl loop-image detach")
            #expect(emptied.status == 0, "\(emptied.error)")
            for verb in ["ls", "info", "check", "df", "probe", "bed"] {
                let result = try graphctl.shell(
                    "graphctl \(verb == "bed" ? "loop-image status" : verb)")
                #expect(result.status == (["probe", "bed"].contains(verb) ? 0 : 1), "\(verb)")
                #expect(Self.held(graphctl).isEmpty, "\(verb)")
            }
            #expect(
                try graphctl("init", "--loop-image", "xfs-image", "--size", "320M").status == 0)
            #expect(try graphctl("loop-image", "detach").status == 0)
        }
    }

    private static func held(_ graphctl: CommandRunner) -> [String] {
        let all = Holdings.current(below: graphctl.directory)
        return all.mounts + all.loops
    }
}
