// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

package import SystemPackage

/// Applies a layer with GNU tar: first takes away what the whiteouts name and directories in whose
/// place the layer has something else, then extracts the rest over the tree.
///
/// A directory keeps its time when something in it is taken away: where the layer says nothing of
/// it, it is as it was below. GNU tar's own `--recursive-unlink` would remove directories that only
/// get more files, too.
package func applyByTar(_ layer: FilePath, to tree: FilePath) throws {
    let script = """
        export LC_ALL=C.UTF-8
        times=$(mktemp)
        trap 'rm -f "$times"' EXIT
        tar --quoting-style=literal -tf "$1" | while IFS= read -r path; do
            name=${path##*/}
            case $name in
            '' | .) ;; # a directory
            .wh.*)
                folder=$0/${path%"$name"}
                [ -d "$folder" ] || continue
                touch -r "$folder" "$times"
                rm -rf -- "$folder${name#.wh.}"
                touch -r "$times" "$folder"
                ;;
            *) if [ -d "$0/$path" ] && ! [ -L "$0/$path" ]; then rm -rf -- "$0/$path"; fi ;;
            esac
        done
        tar -C "$0" --xattrs --xattrs-include='*' --numeric-owner --same-owner -p \\
            --exclude='.wh.*' -xf "$1"
        """
    try runCommand("bash", ["-euo", "pipefail", "-c", script, tree.string, layer.string])
}
