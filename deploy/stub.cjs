// Stands in for packages that dockerode loads but that Skerry never calls (engines over SSH, BuildKit sessions).
// It must stay empty: a call into it should fail at once and by name.
module.exports = {};
