################################################################################
#
# maskbell
#
################################################################################

MASKBELL_VERSION = $(shell sed -n '/^version = "\(.*\)"$$/{s//\1/p;q}' $(MASKBELL_REPOSITORY)/Cargo.toml)
MASKBELL_REPOSITORY = $(BR2_EXTERNAL_MASKBELL_PATH)/..
MASKBELL_SITE = $(BR2_EXTERNAL_MASKBELL_PATH)/package/maskbell
MASKBELL_SITE_METHOD = local
MASKBELL_LICENSE = MIT or Apache-2.0
MASKBELL_LICENSE_FILES = LICENSE-MIT LICENSE-APACHE NOTICE
MASKBELL_BINARY = $(call qstrip,$(BR2_PACKAGE_MASKBELL_BINARY))

# The repository is not the package's site: its target/ is huge.
define MASKBELL_COPY_BINARY
	cp $(addprefix $(MASKBELL_REPOSITORY)/,LICENSE-MIT LICENSE-APACHE models/NOTICE) $(@D)
	$(@D)/check-binary.sh $(MASKBELL_BINARY)
	cp $(MASKBELL_BINARY) $(@D)/maskbell
endef
MASKBELL_POST_RSYNC_HOOKS += MASKBELL_COPY_BINARY

define MASKBELL_INSTALL_TARGET_CMDS
	$(INSTALL) -D -m 0755 $(@D)/maskbell $(TARGET_DIR)/usr/bin/maskbell
endef

$(eval $(generic-package))
