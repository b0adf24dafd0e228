# What a guest needs that has its devices by vmbus-host, and no more
CONFIG_I440FX=y
CONFIG_HYPERV=y
CONFIG_VMBUS=y
CONFIG_VMBUS_HOST=y
CONFIG_SERIAL_ISA=y
