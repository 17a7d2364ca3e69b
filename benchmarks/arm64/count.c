/* A qemu-user plugin that prints the number of guest instructions executed so far at each getsid() call, one per line.

   It declares the functions that it uses of version 1 of qemu's plugin interface, so that it needs no header
   (https://www.qemu.org/docs/master/devel/tcg-plugins.html). */

typedef unsigned long u64;
typedef struct qemu_plugin_tb tb;

void qemu_plugin_register_vcpu_tb_trans_cb(u64 id, void (*callback)(u64 id, tb *block));
void qemu_plugin_register_vcpu_tb_exec_inline(tb *block, int operation, void *counter, u64 amount);
void qemu_plugin_register_vcpu_syscall_cb(u64 id, void (*callback)(u64 id, unsigned cpu, long number, u64, u64, u64, u64,
                                                                   u64, u64, u64, u64));
u64 qemu_plugin_tb_n_insns(const tb *block);
void qemu_plugin_outs(const char *text);
int snprintf(char *text, u64 size, const char *format, ...);

enum { ADD = 0, GETSID = 156 };

int qemu_plugin_version = 1;
static u64 count;

static void on_translation(u64 id, tb *block)
{
    qemu_plugin_register_vcpu_tb_exec_inline(block, ADD, &count, qemu_plugin_tb_n_insns(block));
}

static void on_syscall(u64 id, unsigned cpu, long number, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f, u64 g, u64 h)
{
    char line[32];
    if (number != GETSID)
        return;
    snprintf(line, sizeof line, "%lu\n", count);
    qemu_plugin_outs(line);
}

int qemu_plugin_install(u64 id, const void *info, int argc, char **argv)
{
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
    qemu_plugin_register_vcpu_syscall_cb(id, on_syscall);
    return 0;
}
