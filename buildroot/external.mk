include $(sort $(wildcard $(BR2_EXTERNAL_MASKBELL_PATH)/package/*/*.mk))

# Without support for modules the kernel's configuration takes each "=m" for a
# "=y", and the Pi's defconfigs have over a thousand of them.  What is a module
# there is left out, unless board/linux.fragment asks for it.
define MASKBELL_LINUX_DROP_MODULES
	$(SED) '/=m$$/d' $(@D)/arch/arm64/configs/bcm*_defconfig
endef
LINUX_POST_PATCH_HOOKS += MASKBELL_LINUX_DROP_MODULES
