// Command pulumi-resource-docker is Pulumi's docker provider for machines that cannot
// download it: the same Terraform provider behind the same bridge, under the names that
// Pulumi's own build gives them. It lacks docker:index/image:Image, which is not of the
// Terraform provider, and the schema, which only `pulumi schema` asks for.
package main

import (
	"unicode"

	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	shim "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfshim/sdk-v2"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/terraform-providers/terraform-provider-docker/internal/provider"
)

// version is set by the linker: the version of the SDK that this build stands in for.
var version = "0.0.0"

const name = "docker"

func main() {
	tfbridge.Main(name, version, bridged(), []byte(`{"name": "docker"}`))
}

func bridged() tfbridge.ProviderInfo {
	info := tfbridge.ProviderInfo{
		P:       shim.NewProvider(provider.New(version)()),
		Name:    name,
		Version: version,
		Config: map[string]*tfbridge.SchemaInfo{
			"host": {Default: &tfbridge.DefaultInfo{
				Value:   "unix:///var/run/docker.sock",
				EnvVars: []string{"DOCKER_HOST"},
			}},
			"registry_auth": {Name: "registryAuth", MaxItemsOne: tfbridge.False()},
		},
		Resources: map[string]*tfbridge.ResourceInfo{
			"docker_buildx_builder": {Tok: resource("BuildxBuilder")},
			"docker_config":         {Tok: resource("ServiceConfig")},
			"docker_container": {
				Tok:                 resource("Container"),
				DeleteBeforeReplace: true,
				Fields: map[string]*tfbridge.SchemaInfo{
					"command":           {Name: "command"},
					"networks_advanced": {Name: "networksAdvanced"},
				},
			},
			"docker_image": {
				Tok:    resource("RemoteImage"),
				Fields: map[string]*tfbridge.SchemaInfo{"name": {Name: "name"}},
			},
			"docker_network":        {Tok: resource("Network")},
			"docker_plugin":         {Tok: resource("Plugin")},
			"docker_registry_image": {Tok: resource("RegistryImage")},
			"docker_secret":         {Tok: resource("Secret")},
			"docker_service":        {Tok: resource("Service")},
			"docker_tag":            {Tok: resource("Tag")},
			"docker_volume":         {Tok: resource("Volume")},
		},
		DataSources: map[string]*tfbridge.DataSourceInfo{
			"docker_image":          {Tok: function("getRemoteImage")},
			"docker_logs":           {Tok: function("getLogs")},
			"docker_network":        {Tok: function("getNetwork")},
			"docker_plugin":         {Tok: function("getPlugin")},
			"docker_registry_image": {Tok: function("getRegistryImage")},
		},
	}
	info.SetAutonaming(255, "-")
	return info
}

// resource gives Container the token docker:index/container:Container.
func resource(called string) tokens.Type {
	return tokens.Type(function(called))
}

func function(called string) tokens.ModuleMember {
	file := string(unicode.ToLower(rune(called[0]))) + called[1:]
	return tokens.ModuleMember(name + ":index/" + file + ":" + called)
}
