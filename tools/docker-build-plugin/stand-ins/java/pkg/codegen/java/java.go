// Package java holds what docker-build takes of the generator of Java packages, which
// the Go proxy does not serve: one entry of the schema that nobody here reads.
package java

// PackageInfo describes a Java package in a schema.
type PackageInfo struct {
	BuildFiles                      string            `json:"buildFiles,omitempty"`
	GradleNexusPublishPluginVersion string            `json:"gradleNexusPublishPluginVersion,omitempty"`
	Dependencies                    map[string]string `json:"dependencies,omitempty"`
}
