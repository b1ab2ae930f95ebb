# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The graphctl authors
#
# Asks graphctl, in PATH and with its root in the environment, for all that a store holds.
set -eu
graphctl check --deep
graphctl ls -q
graphctl tree
graphctl images -q
for layer in base upper box committed look; do
    echo "== $layer"
    graphctl inspect "$layer" | grep -E '"(chain_id|content_digest|depth|diff_id|kind|parent|made|role)"'
    graphctl changes "$layer"
    graphctl diff "$layer" | sha256sum
done
place=$(graphctl mount box)
find "$place" -type d -printf '%P d %m %U %G %T@\n' -o -printf '%P %y %m %U %G %s %T@ %n\n' | LC_ALL=C sort
graphctl unmount box >&2
