include $(sort $(wildcard $(BR2_EXTERNAL_MASKBELL_PATH)/package/*/*.mk))

# Without support for modules the kernel's configuration takes each "=m" for a
# "=y", and the Pi's defconfigs have over a thousand of them.  What is a module
# there is left out, unless board/linux.fragment asks for it.  The originals stay
# beside them, for check-kernel.  The fragments are added at once: Buildroot merges
# them into a configuration that is complete, in which without them television and
# radio are switched on by default, and stay so (200 drivers).
define MASKBELL_LINUX_DROP_MODULES
	for file in $(@D)/arch/arm64/configs/bcm*_defconfig; do \
		cp $$file $$(dirname $$file)/stock_$$(basename $$file) || exit 1; \
	done
	$(SED) '/=m$$/d' $(@D)/arch/arm64/configs/bcm*_defconfig
	for file in $(@D)/arch/arm64/configs/bcm*_defconfig; do \
		cat $(BR2_EXTERNAL_MASKBELL_PATH)/board/linux*.fragment >>$$file || exit 1; \
	done
endef
LINUX_POST_PATCH_HOOKS += MASKBELL_LINUX_DROP_MODULES

# Half an hour of compiling is not begun with a configuration that lacks something.
MASKBELL_BOARD = $(notdir $(patsubst %/,%,$(dir $(call qstrip,$(BR2_PACKAGE_RPI_FIRMWARE_CONFIG_FILE)))))
define MASKBELL_LINUX_CHECK
	CROSS_COMPILE="$(TARGET_CROSS)" $(BR2_EXTERNAL_MASKBELL_PATH)/check-kernel \
		$(@D) $(MASKBELL_BOARD) $(@D)/.config
endef
LINUX_PRE_BUILD_HOOKS += MASKBELL_LINUX_CHECK
